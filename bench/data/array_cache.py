"""Arrays kept on disk between runs: a damaged file is never used, and a cache that fails costs time alone."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from bench.errors import RunFolderError
from bench.record.files import write_bytes
from bench.record.notices import notice

Arrays = Mapping[str, NDArray[Any]]
DIGEST = "blake2b"


def kept(path: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays that a file of the cache holds; None where there is none, or where it is damaged.

    The digest is checked each time, some 0.1 s for 100 MB. The user is told of a file that is damaged.
    """
    try:
        if not os.path.lexists(path):
            return None
        if not path.is_file():  # a pipe would be waited for
            raise ValueError("it is no file")
        return _read(path)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        notice(f"the cached {path} is not used, what it should hold is made anew: {reason}")
        return None


def keep(path: Path, arrays: Arrays) -> None:
    """Write arrays into a file of the cache: whole or not at all; the user is told where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, save(dict(arrays), {DIGEST: _digest(path, arrays)}))
    except (OSError, RunFolderError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = (cause.strerror if isinstance(cause, OSError) else None) or str(error)
        notice(
            f"the cache {path.parent} cannot be written, so what it should hold is made anew each time: {reason}; make "
            "room there, or set TUNEBENCH_CACHE to another folder"
        )


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Read a file of the cache.

    Raises:
        ValueError: it is damaged, or was written under another name.
    """
    with safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        said = (file.metadata() or {}).get(DIGEST)
    if said is None:
        raise ValueError("it has no digest")
    if said != _digest(path, arrays):
        raise ValueError("it is damaged, its digest is another")
    return arrays


def _digest(path: Path, arrays: Arrays) -> str:
    """A digest of the file's name and of all arrays with their names, types and shapes."""
    digest = hashlib.blake2b(path.name.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
