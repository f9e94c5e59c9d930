"""Finished cells by the digests of their files: whether a record is what the run that measured it wrote.

The runner alone writes digests, into run.json. A run folder of before has none, and its records are taken as they are.
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

#: Of run.json: file names and digests by id of the cell.
KEY = "records"
SHA256 = re.compile(r"[0-9a-f]{64}")

Digests = Mapping[str, str]
"""The sha256 of each file of a cell, by its name."""


def files_of(paths: CellFolder) -> tuple[Path, ...]:
    """The files of a finished cell that a report is drawn from; some cells have not all of them."""
    return paths.record, paths.predictions, paths.steps, paths.split, paths.insights


def digest_of(path: Path) -> str | None:
    """The sha256 of a file; None where there is none that can be read, or a link or a pipe in its place.

    Nor of a file that is larger than any that is read: a sparse one of terabytes would take hours.
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
    """The digests of those files of a cell that are there."""
    found = {path.name: digest_of(path) for path in files_of(paths)}
    return {name: digest for name, digest in found.items() if digest is not None}


def known_digests(run: Mapping[str, Any], where: object) -> dict[str, Digests] | None:
    """The digests that a run.json holds, by id of the cell; None of a run of before.

    Args:
        run: the content.
        where: it stands, for messages.

    Raises:
        RunFolderError: they are damaged.
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
    """The first file of a cell that is not as it was measured, or was not there then; one that is gone does not count.

    Args:
        paths: of the cell.
        digests: of its files when it was measured.
    """
    for path in files_of(paths):
        if (path.exists() or path.is_symlink()) and digest_of(path) != digests.get(path.name):
            return path
    return None


def read_kept(paths: CellFolder, known: Mapping[str, Digests] | None) -> Record | None:
    """Read the record of a cell; None where there is none.

    Args:
        paths: of the cell.
        known: what ``known_digests`` gives.

    Raises:
        RunFolderError: it is no record, of a newer schema, or not what the run wrote that measured the cell.
    """
    record = read_record(paths.record)
    if record is not None and known is not None:
        require_unchanged(paths, known)
    return record


def require_unchanged(paths: CellFolder, known: Mapping[str, Digests]) -> None:
    """Stop at a cell whose files are not what the run wrote that measured it.

    Args:
        paths: of the cell.
        known: digests by id of the cell.

    Raises:
        RunFolderError: one is not.
    """
    cell_id = paths.path.name
    if cell_id not in known:
        raise RunFolderError(f"{paths.record} is not believed: no run of this folder has measured it")
    changed = changed_file(paths, known[cell_id])
    if changed is not None:
        raise RunFolderError(f"{changed} is not believed: it was changed after its cell was measured")
