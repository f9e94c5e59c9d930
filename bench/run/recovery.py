"""Recovery of a run folder after a run that was killed or ran out of disk space."""

import os
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from bench.errors import NewerSchemaError, RunFolderError
from bench.record.files import make_folder, sync_folder, write_text
from bench.record.run_folder import CellFolder, RunFolder, read_record

#: Names of the temporary files of ``write_bytes``.
ASIDE = re.compile(r"\..+\.[0-9]+")
#: Disk space reserved for the records of a few dozen failed cells.
RESERVE_BYTES = 256 * 1024
#: Free space below which a disk counts as full.
FULL_BYTES = 64 * 1024
#: Permissions that allow the removal of a folder's content.
FOLDER_MODE = 0o700


def recover(folder: RunFolder) -> None:
    """Repair what a killed run left unfinished; requires the folder's lock.

    Raises:
        RunFolderError: the folder cannot be written.
        NewerSchemaError: it holds records of a newer schema.
    """
    try:
        for place in (folder.path, folder.flops, *folder.cells.iterdir()):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(CellFolder(place).marks, ignore_errors=True)  # left by a killed run
                with suppress(PermissionError):  # a plugin removed permissions; the next attempt removes the folder
                    remove_asides(place)
        _no_link(folder.earlier)
        shutil.rmtree(folder.jobs, ignore_errors=True)
        for earlier in folder.earlier.iterdir() if folder.earlier.is_dir() else ():
            _settle(folder, CellFolder(earlier))
        with suppress(OSError):
            folder.earlier.rmdir()
    except OSError as error:
        raise RunFolderError(f"{folder.path} cannot be repaired: {error}") from error


def _settle(folder: RunFolder, earlier: CellFolder) -> None:
    """Keep the attempt of a cell that has a record; if both have one, the newer attempt."""
    newer = folder.cell(earlier.path.name)
    if not has_record(newer) and has_record(earlier):
        remove(newer.path)
        earlier.path.replace(newer.path)
        sync_folder(folder.cells)
    else:
        remove(earlier.path)


def has_record(paths: CellFolder) -> bool:
    """Whether an attempt has a record.

    Raises:
        NewerSchemaError: a newer tunebench wrote it.
    """
    try:
        return read_record(paths.record) is not None
    except NewerSchemaError:
        raise
    except RunFolderError:
        return False


def begin_attempt(folder: RunFolder, cell_id: str) -> CellFolder:
    """An empty folder for a cell; an earlier finished attempt is kept aside until the new one is finished.

    Raises:
        RunFolderError: the folder cannot be made, e.g. on a full disk.
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
            remove(paths.path)  # its files must not be taken for the new attempt's
    except OSError as error:
        raise RunFolderError(f"{paths.path} cannot be moved aside: {error.strerror}") from error
    make_folder(paths.path)
    return paths


def end_attempt(folder: RunFolder, cell_id: str) -> None:
    """Remove a cell's earlier attempt, now that the cell has its record."""
    with suppress(OSError):  # the folder has other cells, or does not exist
        _no_link(folder.earlier)
        remove(folder.earlier / cell_id)
        folder.earlier.rmdir()


def require_there(folder: RunFolder) -> None:
    """Check that a run's folder is still the one that was locked.

    Raises:
        RunFolderError: it was removed, moved, or replaced by another one.
    """
    if folder.place is not None and identity(folder.path) != folder.place:
        raise RunFolderError(f"{folder.path} was removed or replaced while the study ran; results cannot be kept there")


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a folder; None if the path is missing or not a folder, e.g. a link."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def remove(path: Path) -> None:
    """Remove a file, a link (not its target), or a folder, even one without permissions.

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
    """Replace a cell's folder that a plugin has damaged by an empty one.

    Raises:
        RunFolderError: it cannot be replaced.
    """
    try:
        _no_link(paths.path.parent)
        paths.path.parent.mkdir(exist_ok=True)
        remove(paths.path)
    except OSError as error:
        raise RunFolderError(f"{paths.path} cannot be made again: {error.strerror}") from error
    make_folder(paths.path)


def _no_link(path: Path) -> None:
    """Remove a path that should be a folder but is not.

    Raises:
        OSError: it cannot be removed.
    """
    if identity(path) is None:
        path.unlink(missing_ok=True)


def remove_asides(place: Path) -> None:
    """Remove temporary files whose writer was killed before it could rename them."""
    for path in place.iterdir():
        if ASIDE.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


class Reserve:
    """Disk space reserved for the records of failed cells."""

    def __init__(self, path: Path) -> None:
        """Reserve the space.

        Args:
            path: path of the file that reserves it.

        Raises:
            RunFolderError: the disk is full already.
        """
        self._path = path
        try:
            self._take()
        except OSError as error:
            self.release()
            raise RunFolderError(
                f"{path.parent} needs {RESERVE_BYTES // 1024} KB of free disk space: {error.strerror}; make room"
            ) from error

    def __enter__(self) -> "Reserve":
        """Return the reserve."""
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
        """Write a small file, using the reserved space if necessary.

        Raises:
            RunFolderError: the reserved space is not enough.
        """
        try:
            write_text(path, text)
        except RunFolderError:
            self.release()
            write_text(path, text)
        if not self._path.exists():  # it was used; reserve it again if possible
            try:
                self._take()
            except OSError:
                self.release()


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder is full; False if the folder does not exist."""
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False
