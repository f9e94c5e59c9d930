"""Where the fork server's sockets lie: the system bounds the path of a socket, and TMPDIR may be longer than that."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import util
from pathlib import Path

from bench.errors import RequestError

#: Bytes of a socket's path: 108 with the end mark on Linux, 104 on macOS.
LONGEST_PATH = 103
#: What the library adds to the folder for temporary files.
ADDED = len("/pymp-12345678/listener-12345678")
#: Files through which processes speak are of a few hundred bytes.
LEAST_BYTES = 16 * 1024
#: Tried in place of a folder that is too long.
ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm")


def settle(elsewhere: Sequence[str] = ELSEWHERE) -> None:
    """Have the library make its folder for sockets, in which it removes all at its end, where paths are short enough.

    Args:
        elsewhere: folders that are tried where that for temporary files has too long a path.

    Raises:
        RequestError: no folder can be written that is short enough.
    """
    folder = _short_folder(elsewhere)
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        util.get_temp_dir()  # makes one, once a process, and remembers it; it takes no argument
    except OSError as error:
        raise RequestError(f"{folder}: no folder can be made there: {error.strerror}; set TMPDIR to another") from None
    finally:
        tempfile.tempdir = before


def _free_bytes(folder: str) -> int:
    return shutil.disk_usage(folder).free


def temporary_folder(prefix: str, free_bytes: Callable[[str], int] = _free_bytes) -> tempfile.TemporaryDirectory[str]:
    """A new folder for temporary files, removed when it is cleaned up or at the end of the process.

    Args:
        prefix: of its name.
        free_bytes: tells how much room the disk of a folder has.

    Raises:
        RequestError: there is no place for one, or its disk is full.
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
            f"no folder for temporary files can be made: {where}{error.strerror or error}; set TMPDIR to a folder that "
            "can be written"
        ) from None


def _short_folder(elsewhere: Sequence[str]) -> str:
    """The folder for temporary files, or the first of others where its path is too long.

    Raises:
        RequestError: none can be written.
    """
    usual, most = tempfile.gettempdir(), LONGEST_PATH - ADDED
    for folder in (usual, *elsewhere):
        if len(os.fsencode(folder)) <= most and Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise RequestError(
        f"TMPDIR must have at most {most} bytes, for sockets lie in it, got {len(os.fsencode(usual))} ({usual}); set "
        f"TMPDIR to a shorter folder that can be written: neither of {', '.join(elsewhere)} can"
    )
