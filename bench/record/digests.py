"""Digests of the files of finished cells, which show whether a record changed after it was measured.

Only the runner writes digests, into run.json. Older run folders have none, so their records are not verified.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import RunFolderError
from bench.record.files import MOST_BYTES_OF_LINES
from bench.record.record import Record
from bench.record.run_folder import CELL_ID, CellFolder, read_record

#: Key of run.json that holds file names and digests by cell id.
KEY = "records"
SHA256 = re.compile(r"[0-9a-f]{64}")

Digests = Mapping[str, str]
"""The sha256 of each file of a cell, by file name."""


def files_of(paths: CellFolder) -> tuple[Path, ...]:
    """The files of a finished cell that reports read; some cells lack some of them."""
    return paths.record, paths.predictions, paths.steps, paths.split, paths.insights


def digest_of(path: Path) -> str | None:
    """The sha256 of a file; None if it is missing, unreadable, a link or a pipe, or larger than any file that is read.

    A sparse file of terabytes would take hours to hash.
    """
    try:
        if path.is_symlink() or not path.is_file():
            return None
        with path.open("rb") as handle:
            if os.fstat(handle.fileno()).st_size > MOST_BYTES_OF_LINES:
                return None
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return None


def digests_of(paths: CellFolder) -> dict[str, str]:
    """The digests of the existing files of a cell."""
    found = {path.name: digest_of(path) for path in files_of(paths)}
    return {name: digest for name, digest in found.items() if digest is not None}


def known_digests(run: Mapping[str, Any], where: object) -> dict[str, Digests] | None:
    """The digests of a run.json, by cell id; None in an older run folder.

    Args:
        run: content of run.json.
        where: path of run.json, for messages.

    Raises:
        RunFolderError: the digests are malformed.
    """
    known = run.get(KEY)
    if known is None:
        return None
    if not isinstance(known, dict) or not all(CELL_ID.fullmatch(key) and _valid(known[key]) for key in known):
        raise RunFolderError(f"{where} cannot be read: {KEY} must hold a sha256 for each file of a cell")
    return known


def _valid(digests: Any) -> bool:
    return isinstance(digests, dict) and all(isinstance(d, str) and SHA256.fullmatch(d) for d in digests.values())


def changed_file(paths: CellFolder, digests: Digests) -> Path | None:
    """The first file of a cell that was changed or added after the measurement; missing files do not count.

    Args:
        paths: paths of the cell.
        digests: digests of its files when it was measured.
    """
    for path in files_of(paths):
        if (path.exists() or path.is_symlink()) and digest_of(path) != digests.get(path.name):
            return path
    return None


def read_kept(paths: CellFolder, known: Mapping[str, Digests] | None) -> Record | None:
    """Read the record of a cell; None if there is none.

    Args:
        paths: paths of the cell.
        known: result of ``known_digests``.

    Raises:
        RunFolderError: the record is not valid, has a newer schema, or was changed after the measurement.
    """
    record = read_record(paths.record)
    if record is not None and known is not None:
        require_unchanged(paths, known)
    return record


def require_unchanged(paths: CellFolder, known: Mapping[str, Digests]) -> None:
    """Check that the files of a cell are those that its run wrote.

    Args:
        paths: paths of the cell.
        known: digests by cell id.

    Raises:
        RunFolderError: a file was changed, or no run of the folder measured the cell.
    """
    cell_id = paths.path.name
    if cell_id not in known:
        raise RunFolderError(f"{paths.record} is not trusted: no run of this folder has measured it")
    changed = changed_file(paths, known[cell_id])
    if changed is not None:
        raise RunFolderError(f"{changed} is not trusted: it was changed after its cell was measured")
