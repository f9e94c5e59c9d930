"""Atomic replacement of the files of a folder."""

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

#: Constants of renameat2(2).
AT_FDCWD, RENAME_EXCHANGE = -100, 2
#: A staging folder that nobody touched for this long is abandoned.
ABANDONED_SECONDS = 3600
Write = Callable[[Path, bytes], None]


def publish(
    folder: Path, files: Mapping[str, bytes], before: Mapping[str, str] | None = None, write: Write = write_bytes
) -> list[Path]:
    """Write files to a folder, and delete stale files of an earlier draw.

    All files are first written to a staging folder on the same file system, so that a full disk changes nothing. If
    the folder holds only files, staging folder and folder are then exchanged in one step, so that readers, and a
    process that is killed, see either the old files or the new ones; other files are kept. If the folder holds other
    folders or links, as a run folder does, or the system cannot exchange folders, the files are moved one by one, the
    last of ``files`` at the end. A kill during these milliseconds leaves some old files, which the next draw replaces.

    Args:
        folder: target folder, created if missing.
        files: contents by relative path with "/".
        before: sha256 by name of the files of an earlier draw; unchanged ones are deleted if they are stale.
        write: function that writes one file atomically.

    Returns:
        The paths of the files.

    Raises:
        RunFolderError: a file cannot be written or moved; the folder is unchanged.
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
    """Refuse links that lead out of the folder.

    Raises:
        RunFolderError: a folder below it is such a link.
    """
    for place in {(home / name).parent for name in files}:
        if not place.resolve().is_relative_to(home):
            raise RunFolderError(f"{place} is a link that leads out of the report; put a folder in its place")


@contextmanager
def _aside(home: Path) -> Iterator[Path]:
    """A temporary staging folder beside this one, or in it if its parent is not writable."""
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
    """Remove staging folders of killed processes, but not recent ones, which another process may be writing."""
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
    """Exchange the folders if that loses nothing and the system supports it; True if done."""
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
    """Whether the folder holds only files and the report's own folders."""
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
        shutil.copy2(path, to)  # a file system without hard links


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths of one file system atomically; False if the system has no such call, or refuses."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    done = call and call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)
    return done == 0


def _moved(home: Path, aside: Path, files: Collection[str], stale: Collection[str]) -> None:
    """Move files into the folder one by one, deleting stale files before the last one."""
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
    """Lock the folder against other processes that move files into it, if it can be locked."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
