"""The parent: selects the cells to run, passes them to an executor, and waits. It never imports torch."""

import shlex
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.clocks import date_now
from bench.errors import NewerSchemaError, RunFolderError, StoppedError
from bench.measure.host_limits import free_memory_bytes
from bench.method import registry
from bench.record.digests import require_unchanged
from bench.record.record import SCHEMA_VERSION, Record
from bench.record.run_folder import RunFolder, read_record, redacted_study
from bench.run.again import ChangedCells
from bench.run.attempt import Attempts
from bench.run.earlier import earlier_run
from bench.run.executor import Executor, Job
from bench.run.finished import Finished
from bench.run.oom import SmallerBatches, as_of_study, is_of, with_largest_batch
from bench.run.question import Questions
from bench.run.recovery import Reserve, recover
from bench.run.study_checks import StudyChecks
from bench.run.watcher import Watcher
from bench.study.cell import Cell
from bench.study.grid import needed_plugins
from bench.study.request import Request, filtered
from bench.study.sources import Sources, locate
from bench.text.redaction import redacted_command


def run(
    request: Request, folder: Path, make_executor: Callable[[], Executor], watcher: Watcher, *, retry_oom: bool = False
) -> list[Record]:
    """Measure every cell of a study without a finished record.

    Args:
        request: the user's request.
        folder: path of the run folder.
        make_executor: function that makes the executor; called once, and only if there is something to run.
        watcher: receiver of progress and warnings.
        retry_oom: whether cells that ran out of memory are run at a batch size that is predicted to fit.

    Returns:
        The existing records of the study's cells, in the study's order.

    Raises:
        RequestError: the request is wrong; nothing was run.
        StoppedError: the run folder cannot be written any more; finished cells are kept.
        KeyboardInterrupt: the run was interrupted; finished cells are kept and the next run continues.
    """
    found = registry.find(request.plugin_files)
    needed = needed_plugins(request.study, found)
    sources = locate(request.study, request.data_root, request.scale)
    run_folder = RunFolder(folder)
    with run_folder.locked():
        recover(run_folder)
        return _Run(request, run_folder, found, needed, make_executor, watcher, retry_oom).go(sources)


class _Run:
    def __init__(
        self, request: Request, folder: RunFolder, found: dict[str, registry.Plugin],
        needed: dict[str, registry.Plugin], make_executor: Callable[[], Executor], watcher: Watcher, retry_oom: bool,
    ) -> None:  # fmt: skip
        self.request, self.folder, self.needed = request, folder, needed
        self.watcher, self.retry_oom, self._make_executor = watcher, retry_oom, make_executor
        self._executor: Executor | None = None
        self._questions = Questions(
            folder.jobs, lambda entry, place: self._start(entry, place, free_memory_bytes()), watcher.warned,
            request.study.limits.cell_timeout_seconds,
        )  # fmt: skip
        self._checks = StudyChecks(request, found, needed, self._questions.ask, watcher)

    def go(self, sources: Sources) -> list[Record]:
        earlier, known = earlier_run(self.folder, self.watcher.warned)
        self.finished = Finished(self.folder, known)  # before any plugin is imported
        try:
            descriptions = self._checks.descriptions(earlier.get("methods", {}))
            request = self.request
            cells = self._checks.cells(descriptions, sources)
            chosen = filtered(cells, request.only)
            latest = {cell.id: self._latest(cell) for cell in cells}
            pending = [cell for cell in chosen if not _finished(latest[cell.id])]
            measured_before = len(chosen) - len(pending)
            if pending:
                pending = self._checks.filled(pending)
            self.finished.write_run(self._run_content(cells, descriptions, {} if pending else earlier))
            self.watcher.started(pending, measured_before)
            if pending:
                self._measure(pending, {cell.id: cell for cell in chosen}, latest)
        finally:
            if self._executor is not None:
                self._executor.close()
            with suppress(RunFolderError):  # the next run repeats it; do not hide another exception
                recover(self.folder)
        return [record for cell in cells if (record := latest[cell.id]) is not None]

    def _latest(self, cell: Cell) -> Record | None:
        """The cell's record, marked as one of this study, if there is a valid one."""
        paths = self.folder.cell(cell.id)
        try:
            record = read_record(paths.record)
            if record is None:
                return None
            if not is_of(record, cell):
                raise RunFolderError(f"{paths.record} belongs to another cell, {record.cell.id}")
            require_unchanged(paths, self.finished.known)
        except NewerSchemaError:
            raise
        except RunFolderError as error:
            self.watcher.warned(f"measured again: {error}")
            return None
        marked = as_of_study(record, cell)
        if marked != record:  # an earlier run was killed before it marked the record
            self.finished.keep(cell.id, marked.model_dump_json(indent=1) + "\n")
        return marked

    def _start(self, entry: str, folder: Path, memory_bytes: int | None = None) -> Job:
        if self._executor is None:
            self._executor = self._make_executor()
        return self._executor.start(entry, folder, memory_bytes)

    def _run_content(
        self, cells: Sequence[Cell], descriptions: Mapping[str, Any], earlier: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The content of run.json; command and date are those of ``earlier``, if that has them."""
        command = earlier.get("command", shlex.join(["tunebench", *sys.argv[1:]]))
        return {
            "schema_version": SCHEMA_VERSION, "study": redacted_study(self.request.study.model_dump(mode="json")),
            "command": redacted_command(command), "written_at": earlier.get("written_at", date_now()),
            "cell_ids": [cell.id for cell in cells],
            "methods": {
                name: {"sha256": self.needed[name].sha256, "says": dict(says)} for name, says in descriptions.items()
            },
        }  # fmt: skip

    def _measure(self, pending: Sequence[Cell], chosen: Mapping[str, Cell], latest: dict[str, Record | None]) -> None:
        """Measure every cell, and those again whose files were changed meanwhile.

        Args:
            pending: cells to measure.
            chosen: cells that may be measured, by id.
            latest: latest record of each cell of the study, by id; updated.

        Raises:
            RunFolderError: the disk is full at the start.
            StoppedError: the run folder cannot be written any more.
        """
        smaller = SmallerBatches(self._questions.ask, self.watcher)
        queue = deque(pending)
        left = len(queue)
        with Reserve(self.folder.reserve) as reserve, self.finished.written_by(reserve.write):
            attempts = Attempts(self.folder, self.finished, self._start, self.watcher)
            changed = ChangedCells(chosen, latest, self.finished, self._checks.filled, self.watcher)
            try:
                while queue:
                    left = len(queue)
                    cell = queue.popleft()
                    as_run = smaller.of(cell, latest[cell.id]) if self.retry_oom else cell
                    self.watcher.cell_started(as_run)
                    record = attempts.measure(cell, as_run)
                    if record.status == "oom":
                        record = with_largest_batch(record, smaller.largest_batch(record))
                        attempts.keep(record)
                    latest[cell.id] = record
                    self.watcher.cell_ended(as_run, record)
                    queue += changed.cells({one.id for one in queue}, thoroughly=not queue)
            except RunFolderError as error:
                raise StoppedError(
                    f"{error}\nstopped with {left} cells left to measure; finished cells are kept: make room, then run "
                    "the same command again"
                ) from error


def _finished(record: Record | None) -> bool:
    """Whether a cell needs no further run: it is measured or unsupported."""
    return record is not None and record.status in ("ok", "unsupported")
