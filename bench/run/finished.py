"""The finished cells of a run and their digests, which stay in memory where no plugin can change them."""

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

#: Permissions that prevent changes by mistake; a plugin could still change them.
READ_ONLY = 0o444

Look = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and change time of each file, which are cheaper to compare than digests."""


class Finished:
    """Writes records, and finds finished cells that were changed later."""

    def __init__(self, folder: RunFolder, known: Mapping[str, Digests]) -> None:
        """Start with the cells that are already finished.

        Args:
            folder: folder of the run.
            known: digests of finished cells by id.
        """
        self._folder = folder
        self._known = dict(known)
        self._write: Callable[[Path, str], None] = write_text
        self._run: Mapping[str, Any] | None = None
        self._looks: dict[str, Look] = {}

    @property
    def known(self) -> Mapping[str, Digests]:
        """The digests of finished cells by id."""
        return self._known

    @contextmanager
    def written_by(self, write: Callable[[Path, str], None]) -> Iterator[None]:
        """Use another function for writing inside the block; run.json is written again at its end.

        Args:
            write: function that writes a small file, also on a full disk.
        """
        before, self._write = self._write, write
        try:
            yield
        finally:
            with suppress(RunFolderError):  # replaces what a plugin may have written
                self._write_run()
            self._write = before

    def write_run(self, content: Mapping[str, Any]) -> None:
        """Write run.json with the digests now, and again after each cell.

        Args:
            content: content of run.json without the digests.

        Raises:
            RunFolderError: it cannot be written.
        """
        self._run = content
        self._write_run()

    def _write_run(self) -> None:
        if self._run is None:
            return
        require_there(self._folder)
        if identity(self._folder.run) is not None:  # a plugin put a folder there
            with suppress(OSError):
                remove(self._folder.run)
        content = {**self._run, KEY: self._known}
        self._write(self._folder.run, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def keep(self, cell_id: str, text: str) -> None:
        """Write the digests, then the record, and make the cell's files read-only.

        Args:
            cell_id: id of the study's cell.
            text: content of record.json.

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
        """The cells whose files were changed after the measurement, with a description of the change.

        Args:
            cell_ids: ids of the cells to look at; unfinished ones are ignored.
            thoroughly: whether every byte is compared, in addition to the file system's metadata.
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
