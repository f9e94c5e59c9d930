"""Files of a folder put into place together: all of them, or none."""

import ctypes
import errno
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from bench.clocks import date_seconds
from bench.errors import RunFolderError
from bench.record.digests import digest_of
from bench.record.files import make_folder, sync_folder, write_bytes

#: Of renameat2(2).
AT_FDCWD, RENAME_EXCHANGE = -100, 2
#: What was written aside and not touched for so long is nobody's.
ABANDONED_SECONDS = 3600
Write = Callable[[Path, bytes], None]


def publish(
    folder: Path, files: Mapping[str, bytes], before: Mapping[str, str] | None = None, write: Write = write_bytes
) -> list[Path]:
    """Put files into a folder, and take out what an earlier draw left there that is not drawn any more.

    All files are written aside first, on the same file system, so that a disk that is full changes nothing. A folder
    that holds nothing but such files then changes places with the new one in one step: whoever reads it, and whoever
    finds it after a kill, has the old files or the new ones. Files of others beside them go along. Where the folder
    holds folders of others or links, as a run folder does, or where the system cannot exchange folders, the files are
    moved one by one, the last one of ``files`` at the end: a kill amid that, which takes milliseconds, leaves some old
    ones, and the next draw mends it.

    Args:
        folder: made where missing.
        files: by their names in the folder, with "/" between the parts.
        before: sha256 by name of the files of an earlier draw; one is taken out where it is still as it was.
        write: writes one file whole or not at all.

    Returns:
        The paths of the files.

    Raises:
        RunFolderError: a file cannot be written or moved; what stood there before still does.
    """
    home, earlier = folder.resolve(), before or {}
    try:
        home.mkdir(parents=True, exist_ok=True)
        _refuse_links(home, files)
        with _aside(home) as aside:
            for name, content in files.items():
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                _write(write, aside / name, content, folder / name)
            stale = {
                name for name, digest in earlier.items() if name not in files and _is_as_it_was(home, name, digest)
            }
            if not _exchanged(home, aside, files, earlier, stale):
                _moved(home, aside, files, stale)
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be written: {error.strerror}; no file was changed there") from error
    return [folder / name for name in files]


def _write(write: Write, path: Path, content: bytes, shown: Path) -> None:
    try:
        write(path, content)
    except RunFolderError as error:
        said = str(error).replace(str(path), str(shown))
        raise RunFolderError(f"{said}; no file was changed there") from error


def _refuse_links(home: Path, files: Collection[str]) -> None:
    """Whether all files come to lie in the folder.

    Raises:
        RunFolderError: a folder below it is a link.
    """
    for place in {(home / name).parent for name in files}:
        if not place.resolve().is_relative_to(home):
            raise RunFolderError(f"{place} is a link that leads out of the report; put a folder in its place")


@contextmanager
def _aside(home: Path) -> Iterator[Path]:
    """A new folder beside this one, or in it where its parent cannot be written; it is gone afterwards."""
    prefix = f".{home.name}.drawn-"
    _remove_abandoned(home, prefix)
    try:
        aside = Path(tempfile.mkdtemp(prefix=prefix, dir=home.parent))
    except PermissionError:
        aside = Path(tempfile.mkdtemp(prefix=prefix, dir=home))
    try:
        shutil.copymode(home, aside)
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _remove_abandoned(home: Path, prefix: str) -> None:
    """Remove what processes that were killed wrote aside; another one may be writing now, perhaps on another host."""
    for path in (path for place in (home.parent, home) for path in place.glob(f"{glob.escape(prefix)}*")):
        with suppress(OSError):
            if not path.is_symlink() and date_seconds() - path.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _is_as_it_was(home: Path, name: str, digest: str) -> bool:
    path = home / name
    if path.is_symlink() or not path.resolve().is_relative_to(home) or not path.is_file():
        return False
    return digest_of(path) == digest


def _exchanged(
    home: Path, aside: Path, files: Collection[str], earlier: Collection[str], stale: Collection[str]
) -> bool:
    """Exchange the folders, where that loses nothing and the system can; True if it was done."""
    if aside.parent == home or not _holds_files_alone(home, {*files, *earlier}):
        return False
    for path in home.rglob("*"):
        name = path.relative_to(home).as_posix()
        if path.is_file() and name not in files and name not in stale:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            _link(path, aside / name)
    sync_folder(aside)
    if not _exchange(aside, home):
        return False
    sync_folder(home.parent)
    return True


def _holds_files_alone(home: Path, names: Collection[str]) -> bool:
    """Whether there is nothing but files in the folder and in those folders that are the report's own."""
    own = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    for path in home.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.relative_to(home).as_posix() in own):
            return False
    return True


def _link(path: Path, to: Path) -> None:
    try:
        os.link(path, to)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        shutil.copy2(path, to)  # a file system without links


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names of one file system in one step; False where the system has no such call, or refuses."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    done = call and call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)
    return done == 0


def _moved(home: Path, aside: Path, files: Collection[str], stale: Collection[str]) -> None:
    """Move files into the folder one by one, the last of them after what is stale has gone."""
    with _held(home):
        *first, last = files
        for name in first:
            _move(aside / name, home / name)
        for name in stale:
            (home / name).unlink(missing_ok=True)
        _move(aside / last, home / last)
        sync_folder(home)


def _move(path: Path, to: Path) -> None:
    missing = [parent for parent in to.parents if not parent.exists()]
    for parent in reversed(missing):
        make_folder(parent)
    path.replace(to)
    sync_folder(to.parent)


@contextmanager
def _held(home: Path) -> Iterator[None]:
    """Let no other process move files into the folder meanwhile; where it cannot be locked, nobody waits."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
