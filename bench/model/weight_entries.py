"""The cached random weights of this machine: place, entries and their limit. It imports no torch."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.data.array_cache import cache_folder
from bench.errors import StudyError

#: Most bytes of all entries, unless TUNEBENCH_WEIGHTS_BYTES says otherwise.
MOST_BYTES = 20 * 10**9
#: Share of the space that the cache may take of what it has and what is free on its disk.
SHARE_OF_DISK = 0.5
VARIABLE = "TUNEBENCH_WEIGHTS_BYTES"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the cache: the weights of one model, or the part of one that is or was being written.

    Attributes:
        path: the file.
        bytes: its size.
        used_at: when it was used last, in seconds since 1970.
    """

    path: Path
    bytes: int
    used_at: float


def weights_folder() -> Path:
    """The folder of the cached weights."""
    return cache_folder() / "weights"


def entries() -> list[Entry]:
    """The entries, least recently used first; none without the folder.

    Raises:
        OSError: the folder cannot be read.
    """
    found = []
    for path in weights_folder().glob("*.safetensors*"):
        try:
            facts = path.lstat()
        except FileNotFoundError:  # another process has removed it
            continue
        found.append(Entry(path, facts.st_size, facts.st_mtime))
    return sorted(found, key=lambda entry: entry.used_at)


def limit_bytes() -> int:
    """Most bytes that all entries may have now: the stated limit, but never more than SHARE_OF_DISK.

    Raises:
        StudyError: TUNEBENCH_WEIGHTS_BYTES is not a whole number.
        OSError: the disk cannot be asked.
    """
    folder = weights_folder()
    disk = next(path for path in (folder, *folder.parents) if path.exists())
    held = sum(entry.bytes for entry in entries())
    return min(stated_bytes(), int(SHARE_OF_DISK * (held + shutil.disk_usage(disk).free)))


def stated_bytes() -> int:
    """The limit that the user or MOST_BYTES states.

    Raises:
        StudyError: TUNEBENCH_WEIGHTS_BYTES is not a whole number.
    """
    said = os.environ.get(VARIABLE, "").strip()
    if not said:
        return MOST_BYTES
    if not (said.isascii() and said.isdigit() and len(said) < 20):
        raise StudyError(f"{VARIABLE} must be a whole number of bytes, 0 to keep none, got {said!r:.60}")
    return int(said)


def make_room(path: Path, needed_bytes: int) -> int | None:
    """Remove the least recently used entries until a new one fits.

    A process that has mapped a removed entry keeps it until it ends.

    Args:
        path: the new entry; one of the same name is replaced.
        needed_bytes: its size.

    Returns:
        None if there is room now, else the limit in bytes, which the entry alone exceeds; nothing is removed then.

    Raises:
        StudyError: see ``stated_bytes``.
        OSError: an entry cannot be removed.
    """
    limit = limit_bytes()
    if needed_bytes > limit:
        return limit
    others = [entry for entry in entries() if entry.path != path]
    held = sum(entry.bytes for entry in others)
    for entry in others:
        if held + needed_bytes <= limit:
            break
        entry.path.unlink(missing_ok=True)
        held -= entry.bytes
    return None


def clear() -> tuple[int, int]:
    """Remove all entries, and the locks; returns their number and bytes.

    A process that is building weights meanwhile loses nothing but the entry that it would have kept.

    Raises:
        OSError: an entry cannot be removed.
    """
    found = entries()
    for path in (*(entry.path for entry in found), *weights_folder().glob("*.lock")):
        path.unlink(missing_ok=True)
    return len(found), sum(entry.bytes for entry in found)
