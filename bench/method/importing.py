"""The import of a plugin as another process sees it: under way, ended, too long or too loud.

Whoever imports a plugin writes into a folder that it has begun, and that it has ended. Whoever waits for that process
reads it there, and so can name the plugin whatever becomes of the process.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.clocks import monotonic_seconds
from bench.errors import PluginError

#: That the import of one plugin may take; libraries that a plugin needs are imported in this time too.
IMPORT_SECONDS = 60.0
#: That a plugin may print while it is imported.
MOST_OUTPUT_BYTES = 10_000_000
#: Of a process that imports: what is printed, by a worker at any time, elsewhere during an import alone.
OUTPUT = ("stdout.txt", "stderr.txt")
#: A file of this beginning for each process that imports; it ends with the process's number.
BEGINNING = "importing-"


@dataclass(frozen=True, slots=True)
class _Place:
    folder: Path
    captures: bool


_place: _Place | None = None


def announce_in(folder: Path, *, captures: bool = False) -> None:
    """From here on, imports of this process and of what is forked from it are announced.

    Args:
        folder: where they are announced.
        captures: what an import prints goes into the folder too, and not to where this process prints.
    """
    global _place  # a fact of the process, like its standard output
    _place = _Place(folder, captures)


@contextmanager
def announced(name: str, path: Path) -> Iterator[None]:
    """Announce the import inside, where this process does so.

    Args:
        name: of the method.
        path: of its file or package.

    Raises:
        PluginError: too much was printed.
    """
    place, own = _place, os.getpid()
    if place is None:
        yield
        return
    file = place.folder / f"{BEGINNING}{own}"
    _say(file, {"name": name, "path": str(path)})
    before = _printed(place.folder)
    try:
        with _captured(place.folder / OUTPUT[0]) if place.captures else nullcontext():
            yield
    finally:
        if os.getpid() != own:  # the plugin forked, and what it forked goes on as if it were this command
            os._exit(1)
        _say(file, {})
    if _printed(place.folder) - before > MOST_OUTPUT_BYTES:
        raise PluginError(_too_loud(f"method {name}: {path}"))


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
        self._begun: dict[str, tuple[str, float]] = {}
        self._last: str | None = None

    @property
    def under_way(self) -> str | None:
        """The method and the file that are being imported, in words; None where nothing is.

        What has begun stays so until its end is read: a plugin may remove what was announced.
        """
        self._read()
        return next((what for what, _ in self._begun.values()), None)

    @property
    def last(self) -> str | None:
        """The method and the file whose import was read of last, be it that it has ended."""
        self._read()
        return self._last

    def trouble(self) -> str | None:
        """Why the process is to be ended: its import takes too long by this process's clock, or prints too much."""
        what = self.under_way
        if what is None:
            return None
        if _printed(self._folder) > MOST_OUTPUT_BYTES:
            return _too_loud(what)
        now = monotonic_seconds()
        for what, since in self._begun.values():
            if now - since >= self._seconds:
                return f"{what} was still being imported after {self._seconds:g} s; let its import end sooner"
        return None

    def _read(self) -> None:
        with suppress(OSError):
            for file in self._folder.glob(f"{BEGINNING}*"):
                with suppress(OSError, ValueError, TypeError, KeyError):
                    self._note(file.name, json.loads(file.read_bytes()))

    def _note(self, process: str, content: dict[str, str]) -> None:
        if not content:
            self._begun.pop(process, None)
            return
        what = f"method {content['name']}: {content['path']}"
        self._last = what
        if self._begun.get(process, ("", 0.0))[0] != what:
            self._begun[process] = (what, monotonic_seconds())


def _say(file: Path, content: dict[str, str]) -> None:
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


def _too_loud(what: str) -> str:
    return f"{what} printed more than {MOST_OUTPUT_BYTES // 1_000_000} MB while it was imported; let it print less"


@contextmanager
def _captured(file: Path) -> Iterator[None]:
    """Send what this process prints inside to a file."""
    kept = {number: os.dup(number) for number in (1, 2)}
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _flush()
    for number in kept:
        os.dup2(target, number)
    os.close(target)
    try:
        yield
    finally:
        _flush()
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
