"""The import of a plugin as another process sees it: under way, ended, too long or too loud.

Whoever imports a plugin writes into a folder that it has begun, and that it has ended. Whoever waits for that process
reads it there, and so can name the plugin whatever becomes of the process. Questions that a plugin's own code answers,
what it supports and whether its options are valid, are announced in the same way: they are as short as an import.
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

#: What is done with a plugin, as in "was still being ...".
IMPORTED, ASKED = "imported", "asked"
#: That the import of one plugin may take; libraries that a plugin needs are imported in this time too.
IMPORT_SECONDS = 60.0
#: That a plugin may print while it is imported.
MOST_OUTPUT_BYTES = 10_000_000
#: Of a process that imports: what is printed, by a worker at any time, elsewhere during an import alone.
OUTPUT = ("stdout.txt", "stderr.txt")
#: Of what a process announces; a plugin may write anything there.
MOST_ANNOUNCED_BYTES = 100_000
#: A file of this beginning for each process that imports; it ends with the process's number.
BEGINNING = "importing-"


@dataclass(frozen=True, slots=True)
class _Place:
    folder: Path
    captures: bool


_place: _Place | None = None
_stretches = itertools.count()


def announce_in(folder: Path, *, captures: bool = False) -> None:
    """From here on, imports of this process and of what is forked from it are announced.

    Args:
        folder: where they are announced.
        captures: what an import prints goes into the folder too, and not to where this process prints.
    """
    global _place  # a fact of the process, like its standard output
    _place = _Place(folder, captures)


@contextmanager
def announced(name: str, path: Path, doing: str = IMPORTED) -> Iterator[None]:
    """Announce the import inside, or what else a plugin's code does there, where this process does so.

    Args:
        name: of the method.
        path: of its file or package.
        doing: what is done with the plugin, as in "was still being ...".

    Raises:
        PluginError: too much was printed.
    """
    place, own = _place, os.getpid()
    if place is None:
        yield
        return
    file = place.folder / f"{BEGINNING}{own}"
    _say(file, {"name": name, "path": str(path), "doing": doing, "number": next(_stretches)})
    before = _printed(place.folder)
    try:
        with _captured(place.folder / OUTPUT[0]) if place.captures else nullcontext():
            yield
    finally:
        if os.getpid() != own:  # the plugin forked, and what it forked goes on as if it were this command
            os._exit(1)
        _say(file, {})
    if _printed(place.folder) - before > MOST_OUTPUT_BYTES:
        raise PluginError(_too_loud(_Stretch(f"method {name}: {path}", doing)))


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Make whatever the code of a plugin raises inside, be it KeyboardInterrupt or SystemExit, a plain error.

    Args:
        what: has failed then, for the message, which the reason follows.

    Raises:
        PluginError: something was raised.
        Interrupted: the user wants the command to end.
    """
    try:
        yield
    except (PluginError, Interrupted):
        raise
    except BaseException as error:
        raise PluginError(f"{what}: {kind_of(error)}: {said(error)}") from error


@dataclass(frozen=True, slots=True)
class _Stretch:
    what: str
    doing: str
    number: int = 0  # the same plugin may be asked twice, and each time has its own limit


class Imports:
    """What is known of the imports that are announced in a folder."""

    def __init__(self, folder: Path, seconds: float = IMPORT_SECONDS) -> None:
        """Know nothing yet.

        Args:
            folder: where they are announced.
            seconds: that one may take.
        """
        self._folder = folder
        self._seconds = min(seconds, IMPORT_SECONDS)
        self._begun: dict[str, tuple[_Stretch, float]] = {}
        self._last: str | None = None

    @property
    def under_way(self) -> str | None:
        """The method and the file that are being imported, in words; None where nothing is.

        What has begun stays so until its end is read: a plugin may remove what was announced.
        """
        self._read()
        return next((stretch.what for stretch, _ in self._begun.values()), None)

    @property
    def doing(self) -> str:
        """What is being done with the plugin that is under way, in words."""
        return next((stretch.doing for stretch, _ in self._begun.values()), IMPORTED)

    @property
    def last(self) -> str | None:
        """The method and the file whose import was read of last, be it that it has ended."""
        self._read()
        return self._last

    def trouble(self) -> str | None:
        """Why the process is to be ended: its import takes too long by this process's clock, or prints too much."""
        self._read()
        now = monotonic_seconds()
        for stretch, since in self._begun.values():
            if _printed(self._folder) > MOST_OUTPUT_BYTES:
                return _too_loud(stretch)
            if now - since >= self._seconds:
                shorter = "its import end" if stretch.doing == IMPORTED else "its answer come"
                still = f"{stretch.what} was still being {stretch.doing} after {self._seconds:g} s"
                return f"{still}; let {shorter} sooner"
        return None

    def _read(self) -> None:
        with suppress(OSError):
            for file in self._folder.glob(f"{BEGINNING}*"):
                with suppress(OSError, ValueError, TypeError, KeyError):
                    self._note(file.name, json.loads(_start_of(file)))

    def _note(self, process: str, content: dict[str, Any]) -> None:
        if not content:
            self._begun.pop(process, None)
            return
        what = f"method {content['name']}: {content['path']}"
        stretch = _Stretch(what, str(content["doing"]), int(content["number"]))
        self._last = what
        if process not in self._begun or self._begun[process][0] != stretch:
            self._begun[process] = (stretch, monotonic_seconds())


def _start_of(path: Path) -> bytes:
    """The first bytes of a file; of a pipe, which would be waited for, none.

    Raises:
        OSError: it is a link, or cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(MOST_ANNOUNCED_BYTES) or b""


def _say(file: Path, content: dict[str, Any]) -> None:
    """Replace what a file says; a plugin may have removed its folder, and then nobody reads there."""
    aside = file.with_name(f".{file.name}")
    with suppress(OSError):
        aside.write_text(json.dumps(content), encoding="utf-8")
        aside.replace(file)


def _printed(folder: Path) -> int:
    """Bytes that were printed into the folder."""
    size = 0
    for name in OUTPUT:
        with suppress(OSError):
            size += (folder / name).stat().st_size
    return size


def _too_loud(stretch: _Stretch) -> str:
    most = f"{MOST_OUTPUT_BYTES // 1_000_000} MB"
    return f"{stretch.what} printed more than {most} while it was {stretch.doing}; let it print less"


@contextmanager
def _captured(file: Path) -> Iterator[None]:
    """Send what this process prints inside to a file."""
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
    """Write out what this process has printed, as far as its streams are there."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
