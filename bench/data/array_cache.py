"""Arrays cached on disk between runs; a damaged file is never used, and a cache failure only costs time."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from bench.errors import RunFolderError
from bench.record.files import write_bytes
from bench.record.notices import notice

Arrays = Mapping[str, NDArray[Any]]
DIGEST = "blake2b"


def cache_folder() -> Path:
    """The folder of all caches of this machine: ``$TUNEBENCH_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("TUNEBENCH_CACHE") or platformdirs.user_cache_dir("tunebench"))


def read_cached(path: Path) -> dict[str, NDArray[Any]] | None:
    """Read the arrays of a cache file; None if it is missing or, with a notice, if it is damaged.

    Each read checks the digest, which takes about 0.1 s for 100 MB.
    """
    try:
        if not os.path.lexists(path):
            return None
        if not path.is_file():  # reading a pipe would block
            raise ValueError("it is not a regular file")
        return _read(path)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        notice(f"the cache file {path} cannot be used, so its content is computed again: {reason}")
        return None


def write_cached(path: Path, arrays: Arrays) -> None:
    """Write arrays to a cache file atomically; a failure causes a notice."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, save(dict(arrays), {DIGEST: _digest(path, arrays)}))
    except (OSError, RunFolderError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = (cause.strerror if isinstance(cause, OSError) else None) or str(error)
        notice(
            f"the cache {path.parent} cannot be written, so its content is computed again each time: {reason}; make "
            "room there, or set TUNEBENCH_CACHE to another folder"
        )


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Read a cache file.

    Raises:
        ValueError: the file is damaged or was written under another name.
    """
    with safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        digest = (file.metadata() or {}).get(DIGEST)
    if digest is None:
        raise ValueError("it has no digest")
    if digest != _digest(path, arrays):
        raise ValueError("its digest does not match")
    return arrays


def _digest(path: Path, arrays: Arrays) -> str:
    """Digest of the file's name and of all arrays with their names, types and shapes."""
    digest = hashlib.blake2b(path.name.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
