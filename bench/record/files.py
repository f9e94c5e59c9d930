"""Atomic, durable writes; reads with a size limit."""

import errno
import os
from pathlib import Path
from typing import Any

from bench.errors import RunFolderError
from bench.text.json_text import dumps

#: Maximum size of a foreign file that is read at once; none of ours is as large.
MOST_BYTES = 64 * 1024**2
#: Maximum size of a file with one line per text, step or cell.
MOST_BYTES_OF_LINES = 1024**3


class UnusableFileError(OSError):
    """A path is not a regular file, or the file is too large to be read."""

    def __str__(self) -> str:
        """The reason without the error number."""
        return str(self.strerror)


def require_writable(folder: Path) -> None:
    """Make the folder of reports before the run, so that the run does not end with tables that cannot be written.

    Raises:
        RunFolderError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be written: {error.strerror}; give --reports another folder") from None
    if not os.access(folder, os.W_OK):
        raise RunFolderError(f"{folder} cannot be written; give --reports another folder")


def write_bytes(path: Path, content: bytes) -> None:
    """Atomic, durable write: temporary file, fsync, rename, fsync of the folder.

    Raises:
        RunFolderError: the file cannot be written, e.g. on a full disk; an existing file stays unchanged.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.unlink(missing_ok=True)  # it may be a link
        with aside.open("xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        aside.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Sync the names in a folder, which the fsync of a file does not do; see fsync(2).

    Raises:
        OSError: the disk failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system cannot sync folders
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder durably in an existing parent.

    Raises:
        RunFolderError: the folder cannot be made, e.g. on a full disk.
    """
    try:
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise RunFolderError(f"{path} cannot be made: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8 as ``write_bytes`` does."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Any) -> None:
    """Write JSON as ``write_text`` does; NaN is an error."""
    write_text(path, dumps(content))


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """The text of a UTF-8 file.

    Args:
        path: regular file; a pipe would block, and a device may have no end.
        most_bytes: size limit in bytes; a larger file is not read at all.

    Raises:
        OSError: the file is missing, not a regular file, too large, or unreadable.
        ValueError: it is not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise UnusableFileError(errno.EINVAL, "it is not a regular file")
    with path.open(encoding="utf-8") as handle:
        size = os.fstat(handle.fileno()).st_size
        if size > most_bytes:
            raise UnusableFileError(
                errno.EFBIG,
                f"it has {size} bytes, but such a file may have at most {most_bytes}; put the right file there",
            )
        text = handle.read(most_bytes + 1)  # it may grow meanwhile
    if len(text) > most_bytes:
        raise UnusableFileError(errno.EFBIG, f"it grows beyond the {most_bytes} bytes that such a file may have")
    return text
