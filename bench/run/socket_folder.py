"""Choose the folder of the fork server's sockets, whose path must be short, unlike TMPDIR."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import util
from pathlib import Path

from bench.errors import RequestError

#: Maximum bytes of a socket's path: 108 with the terminating zero on Linux, 104 on macOS.
LONGEST_PATH = 103
#: Characters that the library adds to the folder for temporary files.
ADDED = len("/pymp-12345678/listener-12345678")
#: Required free space: requests and answers are files of a few hundred bytes.
LEAST_BYTES = 16 * 1024
#: Alternatives to a TMPDIR that is too long.
ALTERNATIVES = ("/tmp", "/var/tmp", "/dev/shm")


def settle(alternatives: Sequence[str] = ALTERNATIVES) -> None:
    """Have the library create its folder for sockets, which it removes at its end, at a short path.

    Args:
        alternatives: folders to try if the path of the folder for temporary files is too long.

    Raises:
        RequestError: no writable folder is short enough.
    """
    folder = _short_folder(alternatives)
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        util.get_temp_dir()  # creates the folder once per process; takes no argument
    except OSError as error:
        raise RequestError(f"{folder}: no folder can be made there: {error.strerror}; set TMPDIR to another") from None
    finally:
        tempfile.tempdir = before


def _free_bytes(folder: str) -> int:
    return shutil.disk_usage(folder).free


def temporary_folder(prefix: str, free_bytes: Callable[[str], int] = _free_bytes) -> tempfile.TemporaryDirectory[str]:
    """A new folder for temporary files, removed by its ``cleanup`` or at the end of the process.

    Args:
        prefix: prefix of its name.
        free_bytes: function that returns the free space of a folder's disk.

    Raises:
        RequestError: it cannot be created, or its disk is full.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix=prefix)
        free = free_bytes(folder.name)
        if free >= LEAST_BYTES:
            return folder
        folder.cleanup()
        raise RequestError(
            f"{tempfile.gettempdir()} must have {LEAST_BYTES} bytes free for temporary files, got {free}; make room, "
            "or set TMPDIR to another folder"
        )
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        raise RequestError(
            f"no folder for temporary files can be created: {where}{error.strerror or error}; set TMPDIR to a "
            "writable folder"
        ) from None


def _short_folder(alternatives: Sequence[str]) -> str:
    """The folder for temporary files, or the first alternative if its path is too long.

    Raises:
        RequestError: no folder is writable and short enough.
    """
    usual, most = tempfile.gettempdir(), LONGEST_PATH - ADDED
    for folder in (usual, *alternatives):
        if len(os.fsencode(folder)) <= most and Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise RequestError(
        f"TMPDIR must have at most {most} bytes, because it holds sockets, got {len(os.fsencode(usual))} ({usual}); "
        f"set TMPDIR to a shorter writable folder: none of {', '.join(alternatives)} is writable"
    )
