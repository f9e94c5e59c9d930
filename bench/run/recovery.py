"""What a run leaves that was killed or ran out of disk, and how the next one goes on from it."""

import os
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from bench.errors import NewerSchemaError, RunFolderError
from bench.record.files import make_folder, sync_folder, write_text
from bench.record.run_folder import CellFolder, RunFolder, read_record

#: As ``write_bytes`` names what it writes aside.
ASIDE = re.compile(r"\..+\.[0-9]+")
#: Held free, so that a full disk leaves room to say so: the files of a few dozen failed cells.
RESERVE_BYTES = 256 * 1024
#: Below this a disk counts as full: no record fits.
FULL_BYTES = 64 * 1024
#: Of a folder whose content is to be removed.
FOLDER_MODE = 0o700


def recover(folder: RunFolder) -> None:
    """Put right what a killed run left half done; call it with the folder locked.

    Raises:
        RunFolderError: the folder cannot be written.
        NewerSchemaError: it holds records of a newer schema.
    """
    try:
        for place in (folder.path, *folder.cells.iterdir()):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(CellFolder(place).marks, ignore_errors=True)  # of a worker that nobody waited for
                with suppress(PermissionError):  # a plugin took it away; the next attempt removes the folder
                    remove_asides(place)
        _no_link(folder.earlier)
        shutil.rmtree(folder.jobs, ignore_errors=True)
        for earlier in folder.earlier.iterdir() if folder.earlier.is_dir() else ():
            _settle(folder, CellFolder(earlier))
        with suppress(OSError):
            folder.earlier.rmdir()
    except OSError as error:
        raise RunFolderError(f"{folder.path} cannot be put right: {error}") from error


def _settle(folder: RunFolder, earlier: CellFolder) -> None:
    """Of a cell that was being measured again, keep the attempt that has a record, the newer one if both have."""
    newer = folder.cell(earlier.path.name)
    if not has_record(newer) and has_record(earlier):
        remove(newer.path)
        earlier.path.replace(newer.path)
        sync_folder(folder.cells)
    else:
        remove(earlier.path)


def has_record(paths: CellFolder) -> bool:
    """Whether an attempt came to its end.

    Raises:
        NewerSchemaError: a newer tunebench made it.
    """
    try:
        return read_record(paths.record) is not None
    except NewerSchemaError:
        raise
    except RunFolderError:
        return False


def begin_attempt(folder: RunFolder, cell_id: str) -> CellFolder:
    """An empty folder for a cell; an earlier attempt that ended is set aside until the new one has ended too.

    Raises:
        RunFolderError: it cannot be made, e.g. on a full disk.
        NewerSchemaError: a newer tunebench has measured the cell.
    """
    require_there(folder)
    paths = folder.cell(cell_id)
    try:
        _no_link(folder.cells)
        folder.cells.mkdir(exist_ok=True)
        _no_link(paths.path)
        if has_record(paths):
            _no_link(folder.earlier)
            folder.earlier.mkdir(exist_ok=True)
            remove(folder.earlier / cell_id)
            paths.path.replace(folder.earlier / cell_id)
            sync_folder(folder.earlier)
        else:
            remove(paths.path)  # else what it left would be taken for the new attempt's
    except OSError as error:
        raise RunFolderError(f"{paths.path} cannot be moved aside: {error.strerror}") from error
    make_folder(paths.path)
    return paths


def end_attempt(folder: RunFolder, cell_id: str) -> None:
    """The cell has its record: what it had before goes."""
    with suppress(OSError):  # others are in it, or it never was
        _no_link(folder.earlier)
        remove(folder.earlier / cell_id)
        folder.earlier.rmdir()


def require_there(folder: RunFolder) -> None:
    """Stop where the folder of a run is not the one that was locked.

    Raises:
        RunFolderError: it was removed, moved, or replaced by another one.
    """
    if folder.place is not None and identity(folder.path) != folder.place:
        raise RunFolderError(f"{folder.path} was removed or replaced while the study ran; nothing can be kept there")


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a folder from any other: its device and its number; None where there is none, or a link to one."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def remove(path: Path) -> None:
    """Remove whatever stands there: a file, a link and not what it leads to, or a folder, be it without permissions.

    Raises:
        OSError: it cannot be removed.
    """
    if identity(path) is None:
        path.unlink(missing_ok=True)
        return
    path.chmod(FOLDER_MODE)
    for place, folders, _ in os.walk(path):
        for name in folders:
            if not (Path(place) / name).is_symlink():
                (Path(place) / name).chmod(FOLDER_MODE)
    shutil.rmtree(path)


def make_way(paths: CellFolder) -> None:
    """Put an empty folder in the place of a cell's folder that a plugin has made useless.

    Raises:
        RunFolderError: that cannot be done.
    """
    try:
        _no_link(paths.path.parent)
        paths.path.parent.mkdir(exist_ok=True)
        remove(paths.path)
    except OSError as error:
        raise RunFolderError(f"{paths.path} cannot be made anew: {error.strerror}") from error
    make_folder(paths.path)


def _no_link(path: Path) -> None:
    """Remove what stands in the place of a folder and is none.

    Raises:
        OSError: it cannot be removed.
    """
    if identity(path) is None:
        path.unlink(missing_ok=True)


def remove_asides(place: Path) -> None:
    """Remove files written aside whose writer was killed before it could move them."""
    for path in place.iterdir():
        if ASIDE.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


class Reserve:
    """Disk space held for the records of failed cells."""

    def __init__(self, path: Path) -> None:
        """Take the space.

        Args:
            path: of a file that holds it.

        Raises:
            RunFolderError: the disk is full already.
        """
        self._path = path
        try:
            self._take()
        except OSError as error:
            self.release()
            raise RunFolderError(
                f"{path.parent} needs {RESERVE_BYTES // 1024} KB of disk to begin with: {error.strerror}; make room"
            ) from error

    def __enter__(self) -> "Reserve":
        """It is taken already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the space back."""
        self.release()

    def _take(self) -> None:
        remove(self._path)  # a plugin may have put anything there
        with self._path.open("wb") as handle:
            os.posix_fallocate(handle.fileno(), 0, RESERVE_BYTES)

    def release(self) -> None:
        """Give the space back."""
        with suppress(FileNotFoundError, NotADirectoryError):
            remove(self._path)

    def write(self, path: Path, text: str) -> None:
        """Write a small file, with the space that is held if there is no other.

        Raises:
            RunFolderError: there is not even that.
        """
        try:
            write_text(path, text)
        except RunFolderError:
            self.release()
            write_text(path, text)
        if not self._path.exists():  # it was needed once; where there is no room again, the next need may find none
            try:
                self._take()
            except OSError:
                self.release()


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder has no room left; a folder that is gone has none to be full."""
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False
