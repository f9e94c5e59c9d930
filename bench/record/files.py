"""Write files whole and durably; read them within bounds."""

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import RunFolderError

#: Of a file that another process or person wrote and that is read whole: more than any of ours has.
MOST_BYTES = 64 * 1024**2
#: Of a file that holds a line for each text, step or cell.
MOST_BYTES_OF_LINES = 1024**3


class UnusableFileError(OSError):
    """There is something in the place of a file that is not read; its text is plain."""

    def __str__(self) -> str:
        """The reason without the system's number for it."""
        return str(self.strerror)


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
    """Write a file whole or not at all, be it that the power fails: aside, synced, moved into place, the folder synced.

    Raises:
        RunFolderError: it cannot be written, e.g. on a full disk; what stood there before still does.
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
    """Make the names in a folder outlast a power cut: a file's own sync does not see to them, see fsync(2).

    Raises:
        OSError: the disk failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such thing as a folder's sync
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder whose name outlasts a power cut; its parent is there.

    Raises:
        RunFolderError: it cannot be made, e.g. on a full disk.
    """
    try:
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise RunFolderError(f"{path} cannot be made: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8 as ``write_bytes`` does."""
    write_bytes(path, text.encode())


def write_files(folder: Path, contents: Mapping[str, str]) -> list[Path]:
    """Write texts by file name into a folder, made where missing; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        write_text(folder / name, text)
    return [folder / name for name in contents]


def write_json(path: Path, content: Any) -> None:
    """Write JSON as ``write_text`` does; NaN is an error."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """The text of a file in UTF-8; a pipe would be waited for, and a device may have no end.

    Args:
        path: of the file.
        most_bytes: that it may have; a larger one, which would take the memory, is not read at all.

    Raises:
        OSError: it is missing, no file, too large, or cannot be read.
        ValueError: it is no UTF-8.
    """
    if path.exists() and not path.is_file():
        raise UnusableFileError(errno.EINVAL, "it is no file")
    with path.open(encoding="utf-8") as handle:
        size = os.fstat(handle.fileno()).st_size
        if size > most_bytes:
            raise UnusableFileError(
                errno.EFBIG,
                f"it has {size} bytes, and of such a file at most {most_bytes} are read; put the right file there",
            )
        text = handle.read(most_bytes + 1)  # it may grow meanwhile
    if len(text) > most_bytes:
        raise UnusableFileError(errno.EFBIG, f"it grows beyond the {most_bytes} bytes that are read of such a file")
    return text
