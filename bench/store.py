"""The run folder: its layout, and how files get into it whole."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.cell import Cell
from bench.errors import NewerSchemaError, RunFolderError
from bench.record import SCHEMA_VERSION, Record

#: An id names a folder, and a run.json that comes from elsewhere must not lead out of the run folder.
CELL_ID = re.compile(r"[A-Za-z0-9._-]+")


class CellFolder:
    """Paths of one cell's files: ``cells/<id>/``."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is created."""
        self.path = path
        self.cell = path / "cell.json"
        self.record = path / "record.json"
        self.predictions = path / "predictions.jsonl"
        self.steps = path / "steps.csv"
        self.insights = path / "insights.json"
        self.explanation = path / "explanation.html"
        self.progress = path / "progress.json"
        self.stdout = path / "stdout.txt"
        self.stderr = path / "stderr.txt"
        self.replay = path / "replay.sh"
        self.artifact = path / "artifact"


class RunFolder:
    """Paths of one study's run: ``runs/<study>/``."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is created."""
        self.path = path
        self.run = path / "run.json"
        self.cells = path / "cells"
        self.jobs = path / "jobs"
        self.lock = path / ".lock"

    def cell(self, cell_id: str) -> CellFolder:
        """The folder of one cell."""
        return CellFolder(self.cells / cell_id)

    def cell_ids(self) -> list[str]:
        """The cells of the study as it was last run, in the study's order.

        Raises:
            RunFolderError: not a run folder, one of a newer schema, or one that lists what is no id of a cell.
        """
        run = self.read_run()
        if not isinstance(run.get("cell_ids"), list):
            raise RunFolderError(f"{self.run} cannot be read: it lists no cells")
        for cell_id in run["cell_ids"]:
            if not isinstance(cell_id, str) or not CELL_ID.fullmatch(cell_id) or cell_id in (".", ".."):
                raise RunFolderError(f"{self.run} cannot be read: {cell_id!r:.80} is no id of a cell")
        return list(run["cell_ids"])

    def read_run(self) -> dict[str, Any]:
        """The content of run.json.

        Raises:
            RunFolderError: not a run folder, or one of a newer schema.
        """
        try:
            run = json.loads(self.run.read_text(encoding="utf-8"))
            version = run["schema_version"]
        except FileNotFoundError:
            raise RunFolderError(f"{self.path} is not a run folder: it has no {self.run.name}") from None
        except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
            raise RunFolderError(f"{self.run} cannot be read: {error}") from None
        _refuse_newer(version, self.run)
        return dict(run)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run.

        Raises:
            RunFolderError: another run holds it, or the folder cannot be written.
        """
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.lock, timeout=0)
            lock.acquire()
        except Timeout:
            raise RunFolderError(
                f"another run is using {self.path}; wait for it, or give --runs another folder"
            ) from None
        except OSError as error:
            raise RunFolderError(
                f"{self.path} cannot be written: {error.strerror}; give --runs another folder"
            ) from None
        try:
            yield
        finally:
            lock.release()


def require_writable(folder: Path) -> None:
    """Make a folder for reports, so that an hour's work does not end with tables that cannot be written.

    Raises:
        RunFolderError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be written: {error.strerror}; give --reports another folder") from None
    if not os.access(folder, os.W_OK):
        raise RunFolderError(f"{folder} cannot be written; give --reports another folder")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: aside, synced, moved into place.

    Raises:
        RunFolderError: it cannot be written, e.g. on a full disk; what stood there before still does.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8 as ``write_bytes`` does."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Any) -> None:
    """Write JSON as ``write_text`` does; NaN is an error."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_cell(path: Path) -> Cell:
    """Read a cell.json.

    Raises:
        RunFolderError: missing, not valid, or of a newer schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        _refuse_newer(content.get("schema_version"), path)
        return Cell.model_validate(content)
    except FileNotFoundError:
        raise RunFolderError(f"no such file: {path}") from None
    except (ValueError, AttributeError, RecursionError, OSError) as error:
        raise RunFolderError(f"{path} is not a cell: {error}") from None


def read_record(path: Path) -> Record | None:
    """Read a record.json; None where there is none.

    Raises:
        RunFolderError: not valid, or of a newer schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        _refuse_newer(content.get("schema_version"), path)
        return Record.model_validate(content)
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError, RecursionError, OSError) as error:
        raise RunFolderError(f"{path} is not a record: {error}") from None


def _refuse_newer(version: Any, path: Path) -> None:
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"{path} has schema {version}; this tunebench reads up to {SCHEMA_VERSION}: upgrade tunebench"
        )
