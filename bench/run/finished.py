"""The finished cells of a run, by digests that the runner holds in memory, where no plugin can change them."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.errors import RunFolderError
from bench.record.digests import KEY, Digests, changed_file, digests_of, files_of
from bench.record.files import write_text
from bench.record.run_folder import CellFolder, RunFolder
from bench.run.recovery import identity, is_full, make_way, remove, require_there

#: Owner, group and others may read, and nobody write: for whoever edits by mistake. A plugin may give itself the right.
READ_ONLY = 0o444

Look = tuple[tuple[str, int, int, int], ...]
"""Of each file its name, its number, its size and when the file system saw it change: cheaper than a digest."""


class Finished:
    """Writes records, and says which finished cells were changed since."""

    def __init__(self, folder: RunFolder, known: Mapping[str, Digests]) -> None:
        """Take over the cells that are finished.

        Args:
            folder: of the run.
            known: digests by id of the cell.
        """
        self._folder = folder
        self._known = dict(known)
        self._write: Callable[[Path, str], None] = write_text
        self._run: Mapping[str, Any] | None = None
        self._looks: dict[str, Look] = {}

    @property
    def known(self) -> Mapping[str, Digests]:
        """The digests by id of the cell."""
        return self._known

    @contextmanager
    def written_by(self, write: Callable[[Path, str], None]) -> Iterator[None]:
        """Write inside by other means, which find room on a full disk; run.json is written once more at the end.

        Args:
            write: writes a small file.
        """
        before, self._write = self._write, write
        try:
            yield
        finally:
            with suppress(RunFolderError):  # as this process knows it, whatever a plugin wrote there
                self._write_run()
            self._write = before

    def write_run(self, content: Mapping[str, Any]) -> None:
        """Write run.json with the digests, now and after each cell.

        Args:
            content: of run.json but for the digests.

        Raises:
            RunFolderError: it cannot be written.
        """
        self._run = content
        self._write_run()

    def _write_run(self) -> None:
        if self._run is None:
            return
        require_there(self._folder)
        if identity(self._folder.run) is not None:  # a folder, of a plugin
            with suppress(OSError):
                remove(self._folder.run)
        content = {**self._run, KEY: self._known}
        self._write(self._folder.run, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def keep(self, cell_id: str, text: str) -> None:
        """Write a record, after its digest, and make what belongs to it read-only.

        Args:
            cell_id: of the study's cell.
            text: of record.json.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        paths = self._folder.cell(cell_id)
        digests = digests_of(paths) | {paths.record.name: hashlib.sha256(text.encode()).hexdigest()}
        self._known[cell_id] = digests
        self._write_run()
        try:
            self._write(paths.record, text)
        except RunFolderError:
            require_there(self._folder)
            if is_full(self._folder.path):
                raise
            make_way(paths)
            self._write(paths.record, text)
        for path in files_of(paths):
            with suppress(OSError):
                if not path.is_symlink():
                    path.chmod(READ_ONLY)
        self._looks[cell_id] = _look(paths)

    def changed(self, cell_ids: Iterable[str], thoroughly: bool) -> list[tuple[str, str]]:
        """Those of the cells that are no longer as they were measured, with what was done to each.

        Args:
            cell_ids: of the cells to look at; those that are not finished are passed over.
            thoroughly: compare every byte, and not the file system's word alone.
        """
        found = []
        for cell_id in cell_ids:
            if cell_id in self._known and (what := self._change(cell_id, thoroughly)):
                found.append((cell_id, what))
        return found

    def _change(self, cell_id: str, thoroughly: bool) -> str | None:
        paths = self._folder.cell(cell_id)
        look = _look(paths)
        if look == self._looks.get(cell_id) and not thoroughly:
            return None
        self._looks[cell_id] = look
        if paths.path.is_symlink() or not paths.record.is_file():
            return f"{paths.record} was removed"
        changed = changed_file(paths, self._known[cell_id])
        return None if changed is None else f"{changed} was changed after its cell was measured"


def _look(paths: CellFolder) -> Look:
    found = []
    for path in files_of(paths):
        with suppress(OSError):
            seen = os.lstat(path)
            found.append((path.name, seen.st_ino, seen.st_size, seen.st_ctime_ns))
    return tuple(found)
