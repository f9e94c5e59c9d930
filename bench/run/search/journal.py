"""Optuna's journal of a search, in the run folder."""

import json
import os
from contextlib import suppress
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from bench.errors import RunFolderError

#: Bytes that are read at a time to find the last line break.
BLOCK_BYTES = 65_536


class _HeldByTheRun:
    """No lock: the run folder is locked, and a lock of the journal would outlive a killed run."""

    def acquire(self) -> bool:
        """Nothing to wait for."""
        return True

    def release(self) -> None:
        """Nothing to give back."""


def open_journal(path: Path) -> JournalStorage:
    """The storage of a search.

    Args:
        path: file of the journal, created if missing; its folder is locked by this run.

    Raises:
        RunFolderError: it cannot be read or written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        _remove_torn_line(path)
        _require_json(path)
        return JournalStorage(JournalFileBackend(str(path), lock_obj=_HeldByTheRun()))  # type: ignore[arg-type]
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise RunFolderError(
            f"{path} is damaged ({type(error).__name__}); remove it and run the same command again: finished trials "
            "are kept"
        ) from error


def _require_json(path: Path) -> None:
    """Check every line, because Optuna notices a damaged last line only when it has written another.

    Raises:
        ValueError: a line is not JSON.
    """
    with suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            json.loads(line)


def _remove_torn_line(path: Path) -> None:
    """Remove what follows the last line break: a run was killed while it wrote, and Optuna reads no further."""
    with suppress(FileNotFoundError), path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        at = end
        while at > 0:
            begin = max(0, at - BLOCK_BYTES)
            file.seek(begin)
            found = file.read(at - begin).rfind(b"\n")
            if found >= 0:
                at = begin + found + 1
                break
            at = begin
        if at < end:
            file.truncate(at)
