"""Files through which a worker reports to its parent: its current operation, and lines for the user."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from bench.text.display import printable

DOING, NOTICES = "doing.json", "notices.txt"
#: Limits of what the parent reads, because a plugin can write into these files too.
MOST_NOTICES, LONGEST_NOTICE, MOST_BYTES = 20, 1000, 100_000


@dataclass(frozen=True, slots=True)
class Doing:
    """An operation that a hostile or very large input can make endless, or that can exhaust the memory.

    Attributes:
        what: words that follow "while", e.g. ``reading dataset mine: train.csv``.
        seconds: time limit of the operation; None if only the whole job has one.
    """

    what: str
    seconds: float | None = None


_folder: ContextVar[Path | None] = ContextVar("folder", default=None)
_doing: ContextVar[Doing | None] = ContextVar("doing", default=None)


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Write reports into a job's folder, where the parent reads them, instead of the terminal."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def notice(text: str) -> None:
    """Tell the user something that changes no result; a failed write is ignored."""
    line, folder = printable(text, LONGEST_NOTICE), _folder.get()
    if folder is None:
        print(f"tunebench: {line}", file=sys.stderr)
        return
    with suppress(OSError), (folder / NOTICES).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


@contextmanager
def doing(what: str, seconds: float | None = None) -> Iterator[None]:
    """Announce an operation until the block ends; a MemoryError in the block gets the words as a note."""
    token = _doing.set(Doing(what, seconds))
    _write()
    try:
        yield
    except MemoryError as error:
        if not getattr(error, "__notes__", None):  # the note of the innermost block is the most precise
            error.add_note(what)
        raise
    finally:
        _doing.reset(token)
        _write()


def _write() -> None:
    folder, now = _folder.get(), _doing.get()
    if folder is None:
        return
    with suppress(OSError):
        if now is None:
            (folder / DOING).unlink(missing_ok=True)
        else:
            (folder / DOING).write_text(json.dumps([printable(now.what, LONGEST_NOTICE), now.seconds]), "utf-8")


def doing_of(folder: Path) -> Doing | None:
    """The operation that the worker of a folder announced last; None if there is none."""
    try:
        what, seconds = json.loads(_start_of(folder / DOING))
        return Doing(printable(str(what), LONGEST_NOTICE), None if seconds is None else float(seconds))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def notices_of(folder: Path) -> list[str]:
    """The lines for the user in a worker's folder, without duplicates."""
    try:
        lines = _start_of(folder / NOTICES).splitlines()
    except OSError:
        return []
    return [printable(line, LONGEST_NOTICE) for line in dict.fromkeys(lines)][:MOST_NOTICES]


def _start_of(path: Path) -> str:
    if path.is_symlink() or not path.is_file():  # reading a pipe would block
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        return file.read(MOST_BYTES).decode("utf-8", "replace")
