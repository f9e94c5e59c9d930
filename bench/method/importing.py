"""Plugin imports, announced to the parent process, which enforces limits of time and output.

A process that imports a plugin writes into a folder when the import begins and ends. The parent reads this, so it can
name the plugin even if the process dies. Calls of plugin code for supported models and valid options are announced and
limited in the same way.
"""

import itertools
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clocks import monotonic_seconds
from bench.errors import Interrupted, PluginError
from bench.text.message import kind_of, said

#: Operations on a plugin, as in "was still being ...".
IMPORTED, CALLED = "imported", "called"
#: Time limit of the import of one plugin and the libraries that it imports.
IMPORT_SECONDS = 60.0
#: Maximum output of a plugin during its import.
MOST_OUTPUT_BYTES = 10_000_000
#: Output files of an importing process: a worker prints there at any time, other processes only during an import.
OUTPUT = ("stdout.txt", "stderr.txt")
#: Maximum size of an announcement that is read, because a plugin may write anything there.
MOST_ANNOUNCED_BYTES = 100_000
#: Prefix of the announcement of each importing process; the process id follows.
PREFIX = "importing-"


@dataclass(frozen=True, slots=True)
class _Place:
    folder: Path
    captures: bool


_place: _Place | None = None
_numbers = itertools.count()


def announce_in(folder: Path, *, captures: bool = False) -> None:
    """Announce all later imports of this process and of its forks.

    Args:
        folder: folder of the announcements.
        captures: whether to redirect the output of imports into the folder.
    """
    global _place  # a fact of the process, like its standard output
    _place = _Place(folder, captures)


@contextmanager
def announced(name: str, path: Path, doing: str = IMPORTED) -> Iterator[None]:
    """Announce the import, or another call of plugin code, if ``announce_in`` was called in this process.

    Args:
        name: name of the method.
        path: file or package of the method.
        doing: operation on the plugin, as in "was still being ...".

    Raises:
        PluginError: the plugin printed too much.
    """
    place, own = _place, os.getpid()
    if place is None:
        yield
        return
    file = place.folder / f"{PREFIX}{own}"
    _write(file, {"name": name, "path": str(path), "doing": doing, "number": next(_numbers)})
    before = _printed(place.folder)
    try:
        with _captured(place.folder / OUTPUT[0]) if place.captures else nullcontext():
            yield
    finally:
        if os.getpid() != own:  # the plugin forked; the fork must not continue this command
            os._exit(1)
        _write(file, {})
    if _printed(place.folder) - before > MOST_OUTPUT_BYTES:
        raise PluginError(_printed_too_much(_Call(f"method {name}: {path}", doing)))


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn everything that plugin code raises, KeyboardInterrupt and SystemExit included, into PluginError.

    Args:
        what: start of the message, before the reason.

    Raises:
        PluginError: the plugin raised an exception.
        Interrupted: the user interrupted the command.
    """
    try:
        yield
    except (PluginError, Interrupted):
        raise
    except BaseException as error:
        raise PluginError(f"{what}: {kind_of(error)}: {said(error)}") from error


@dataclass(frozen=True, slots=True)
class _Call:
    what: str
    doing: str
    number: int = 0  # each call of the same plugin has its own time limit


class Imports:
    """The parent's view of the imports that are announced in a folder."""

    def __init__(self, folder: Path, seconds: float = IMPORT_SECONDS) -> None:
        """Watch a folder.

        Args:
            folder: folder of the announcements.
            seconds: time limit of one import, at most ``IMPORT_SECONDS``.
        """
        self._folder = folder
        self._seconds = min(seconds, IMPORT_SECONDS)
        self._begun: dict[str, tuple[_Call, float]] = {}
        self._last: str | None = None

    @property
    def under_way(self) -> str | None:
        """The method and file that are being imported, in words; None if none is.

        An import counts until its end is read, because a plugin may delete announcements.
        """
        self._read()
        return next((call.what for call, _ in self._begun.values()), None)

    @property
    def doing(self) -> str:
        """The current operation on the plugin, in words."""
        return next((call.doing for call, _ in self._begun.values()), IMPORTED)

    @property
    def last(self) -> str | None:
        """The method and file of the last announced import, finished or not."""
        self._read()
        return self._last

    def trouble(self) -> str | None:
        """Why the process must be ended: its import takes too long by the parent's clock, or prints too much."""
        self._read()
        now = monotonic_seconds()
        for call, since in self._begun.values():
            if _printed(self._folder) > MOST_OUTPUT_BYTES:
                return _printed_too_much(call)
            if now - since >= self._seconds:
                return f"{call.what} was still being {call.doing} after {self._seconds:g} s; make it faster"
        return None

    def _read(self) -> None:
        with suppress(OSError):
            for file in self._folder.glob(f"{PREFIX}*"):
                with suppress(OSError, ValueError, TypeError, KeyError):
                    self._note(file.name, json.loads(_start_of(file)))

    def _note(self, process: str, content: dict[str, Any]) -> None:
        if not content:
            self._begun.pop(process, None)
            return
        what = f"method {content['name']}: {content['path']}"
        call = _Call(what, str(content["doing"]), int(content["number"]))
        self._last = what
        if process not in self._begun or self._begun[process][0] != call:
            self._begun[process] = (call, monotonic_seconds())


def _start_of(path: Path) -> bytes:
    """The first bytes of a file; none of a pipe, which would block.

    Raises:
        OSError: the file is a link, or cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(MOST_ANNOUNCED_BYTES) or b""


def _write(file: Path, content: dict[str, Any]) -> None:
    """Replace an announcement; errors are ignored, because a plugin may have removed the folder."""
    aside = file.with_name(f".{file.name}")
    with suppress(OSError):
        aside.write_text(json.dumps(content), encoding="utf-8")
        aside.replace(file)


def _printed(folder: Path) -> int:
    """Size of the output files of a folder, in bytes."""
    size = 0
    for name in OUTPUT:
        with suppress(OSError):
            size += (folder / name).stat().st_size
    return size


def _printed_too_much(call: _Call) -> str:
    most = f"{MOST_OUTPUT_BYTES // 1_000_000} MB"
    return f"{call.what} printed more than {most} while it was {call.doing}; let it print less"


@contextmanager
def _captured(file: Path) -> Iterator[None]:
    """Redirect the output of this process to a file."""
    kept = {number: os.dup(number) for number in (1, 2)}
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    flush_output()
    for number in kept:
        os.dup2(target, number)
    os.close(target)
    try:
        yield
    finally:
        flush_output()
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)


def flush_output() -> None:
    """Flush stdout and stderr, if they exist."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
