"""The parent: selects the cells to run, passes them to an executor, and waits. It never imports torch."""

import shlex
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.clocks import date_now
from bench.errors import NewerSchemaError, RunFolderError, StoppedError, StudyError
from bench.measure.host_limits import free_memory_bytes
from bench.method import registry
from bench.record.digests import require_unchanged
from bench.record.record import SCHEMA_VERSION, Record
from bench.record.run_folder import RunFolder, read_record, redacted_study
from bench.record.tuning import Tuning
from bench.run.again import ChangedCells
from bench.run.attempt import Attempts
from bench.run.earlier import earlier_run
from bench.run.executor import Executor, Job
from bench.run.finished import Finished
from bench.run.marks import with_check
from bench.run.oom import SmallerBatches, as_of_study, is_of, with_largest_batch
from bench.run.question import Questions
from bench.run.recovery import Reserve, recover
from bench.run.search.outcome import check_of
from bench.run.study_checks import StudyChecks
from bench.run.watcher import Watcher
from bench.study.cell import Cell
from bench.study.grid import needed_plugins
from bench.study.request import Request, filtered
from bench.study.sources import Sources, locate
from bench.text.redaction import redacted_command

if TYPE_CHECKING:
    from bench.run.search.search import Search


def run(
    request: Request, folder: Path, make_executor: Callable[[], Executor], watcher: Watcher, *, retry_oom: bool = False
) -> list[Record]:
    """Search the settings of a study that says so, then measure every cell without a finished record.

    Args:
        request: the user's request.
        folder: path of the run folder.
        make_executor: function that makes the executor; called once, and only if there is something to run.
        watcher: receiver of progress and warnings.
        retry_oom: whether cells that ran out of memory are run at a batch size that is predicted to fit.

    Returns:
        The existing records of the study's cells, in the study's order; then those of killed trials, without which a
        search cannot end.

    Raises:
        RequestError: the request is wrong; nothing was run.
        StoppedError: the run folder cannot be written any more; finished cells are kept.
        KeyboardInterrupt: the run was interrupted; finished cells are kept and the next run continues.
    """
    with _prepared(request, folder, make_executor, watcher, retry_oom) as prepared:
        return prepared.measure()


def tune(
    request: Request, folder: Path, make_executor: Callable[[], Executor], watcher: Watcher
) -> list[tuple[Cell, Tuning | None]]:
    """Only search the settings of a study; the trials are those of ``run`` in the same folder.

    Returns:
        The study's cells with the best settings found, in the study's order, and the search of each; None for a cell
        without a search.

    Raises:
        RequestError: the request is wrong, or the study has no search.
        StoppedError: the run folder cannot be written any more; finished trials are kept.
        KeyboardInterrupt: the search was interrupted; finished trials are kept and the next run continues.
    """
    if request.study.tune is None:
        raise StudyError(f"study {request.study.name} has no table [tune], so there is nothing to search")
    with _prepared(request, folder, make_executor, watcher, retry_oom=False) as prepared:
        return prepared.tune()


@contextmanager
def _prepared(
    request: Request, folder: Path, make_executor: Callable[[], Executor], watcher: Watcher, retry_oom: bool
) -> Iterator["_Run"]:
    """A run that holds its folder."""
    found = registry.find(request.plugin_files)
    needed = needed_plugins(request.study, found)
    sources = locate(request.study, request.data_root, request.scale)
    run_folder = RunFolder(folder)
    with run_folder.locked():
        recover(run_folder)
        prepared = _Run(request, run_folder, found, needed, make_executor, watcher, retry_oom, sources)
        try:
            yield prepared
        finally:
            prepared.close()


class _Run:
    def __init__(
        self, request: Request, folder: RunFolder, found: dict[str, registry.Plugin],
        needed: dict[str, registry.Plugin], make_executor: Callable[[], Executor], watcher: Watcher, retry_oom: bool,
        sources: Sources,
    ) -> None:  # fmt: skip
        self.request, self.folder, self.needed, self.sources = request, folder, needed, sources
        self.watcher, self.retry_oom, self._make_executor = watcher, retry_oom, make_executor
        self._executor: Executor | None = None
        self._killed: list[Record] = []
        self._questions = Questions(
            folder.jobs, lambda entry, place: self._start(entry, place, free_memory_bytes()), watcher.warned,
            request.study.limits.cell_timeout_seconds,
        )  # fmt: skip
        self._checks = StudyChecks(request, found, needed, self._questions.ask, watcher)

    def measure(self) -> list[Record]:
        """Search if the study says so, then measure; see ``run``."""
        found = self._tuned()
        latest = {cell.id: self._latest(cell, tuning) for cell, tuning in found}
        chosen = {cell.id for cell in filtered([cell for cell, _ in found], self.request.only)}
        asked = [pair for pair in found if pair[0].id in chosen]
        pending = [pair for pair in asked if not _finished(latest[pair[0].id])]
        measured_before = len(asked) - len(pending)
        if pending:
            cells = self._checks.filled([cell for cell, _ in pending])
            pending = [(cell, tuning) for cell, (_, tuning) in zip(cells, pending, strict=True)]
        self._write_run([cell.id for cell, _ in found], fresh=bool(pending))
        self.watcher.started([cell for cell, _ in pending], measured_before)
        if pending:
            self._measure(pending, {cell.id: cell for cell, _ in asked}, latest)
        return [record for cell, _ in found if (record := latest[cell.id]) is not None] + self._killed

    def tune(self) -> list[tuple[Cell, Tuning | None]]:
        """Only search; see ``bench.run.run.tune``."""
        return self._tuned()

    def close(self) -> None:
        """End the executor, and tidy the folder."""
        if self._executor is not None:
            self._executor.close()
        with suppress(RunFolderError):  # the next run repeats it; do not hide another exception
            recover(self.folder)

    def _tuned(self) -> list[tuple[Cell, Tuning | None]]:
        """The cells of the study, with the settings that its search found."""
        self.earlier, known = earlier_run(self.folder, self.watcher.warned)
        self.finished = Finished(self.folder, known)  # before any plugin is imported
        self.descriptions = self._checks.descriptions(self.earlier.get("methods", {}))
        cells = self._checks.cells(self.descriptions, self.sources)
        if self.request.study.tune is None:
            return [(cell, None) for cell in cells]
        search = self._search([cell for cell in cells if self._is_searched(cell)], filtered(cells, self.request.only))
        return search.tuned(cells)

    def _is_searched(self, cell: Cell) -> bool:
        return cell.model.kind != "none" and bool(self.descriptions[cell.method.plugin].get("trains", True))

    def _search(self, cells: Sequence[Cell], chosen: Sequence[Cell]) -> "Search":
        """Run the trials of the chosen cells until their budgets are used.

        Args:
            cells: all cells of the study whose settings are searched.
            chosen: cells that this run may measure.
        """
        from bench.run.search.journal import open_journal
        from bench.run.search.search import MOST_ATTEMPTS, Search

        spaces = self._checks.search_spaces(cells)
        latest: dict[str, Record | None] = {}

        def look(cell: Cell) -> Record | None:
            if cell.id not in latest:
                latest[cell.id] = self._latest(cell, None)
            return latest[cell.id]

        search = Search(self.request.study, cells, spaces, open_journal(self.folder.search), look)
        row_ids, earlier_ids = {cell.row_id for cell in chosen}, self.earlier.get("cell_ids")
        while trials := search.next_trials(row_ids):
            self._write_run(earlier_ids if isinstance(earlier_ids, list) else [], fresh=True)
            filled = self._checks.filled(trials)
            self.watcher.started(filled, sum(record is not None for record in latest.values()))
            self._measure([(cell, None) for cell in filled], {cell.id: cell for cell in filled}, latest)
            search.tell()
        self._killed = search.killed()
        if self._killed:
            self.watcher.warned(
                f"{len(self._killed)} trials were killed {MOST_ATTEMPTS} times, and their methods were not measured; "
                "run the same command again"
            )
        return search

    def _latest(self, cell: Cell, tuning: Tuning | None) -> Record | None:
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
        marked = _with_tuning(as_of_study(record, cell), tuning)
        if marked != record:  # an earlier run was killed before it marked the record
            self.finished.keep(cell.id, marked.model_dump_json(indent=1) + "\n")
        return marked

    def _start(self, entry: str, folder: Path, memory_bytes: int | None = None) -> Job:
        if self._executor is None:
            self._executor = self._make_executor()
        return self._executor.start(entry, folder, memory_bytes)

    def _write_run(self, cell_ids: Sequence[str], *, fresh: bool) -> None:
        """Write run.json; command and date stay those of the earlier run unless something is measured."""
        earlier: Mapping[str, Any] = {} if fresh else self.earlier
        command = earlier.get("command", shlex.join(["tunebench", *sys.argv[1:]]))
        self.finished.write_run({
            "schema_version": SCHEMA_VERSION, "study": redacted_study(self.request.study.model_dump(mode="json")),
            "command": redacted_command(command), "written_at": earlier.get("written_at", date_now()),
            "cell_ids": list(cell_ids),
            "methods": {
                name: {"sha256": self.needed[name].sha256, "says": dict(says)}
                for name, says in self.descriptions.items()
            },
        })  # fmt: skip

    def _measure(
        self, pending: Sequence[tuple[Cell, Tuning | None]], chosen: Mapping[str, Cell],
        latest: dict[str, Record | None],
    ) -> None:  # fmt: skip
        """Measure every cell, and those again whose files were changed meanwhile.

        Args:
            pending: cells to measure, each with the search of its settings.
            chosen: cells that may be measured, by id.
            latest: latest record of each cell of the study, by id; updated.

        Raises:
            RunFolderError: the disk is full at the start.
            StoppedError: the run folder cannot be written any more.
        """
        smaller = SmallerBatches(self._questions.ask, self.watcher)
        tunings = {cell.id: tuning for cell, tuning in pending}
        queue = deque(cell for cell, _ in pending)
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
                    if (tuning := tunings.get(cell.id)) is not None:
                        record = _with_tuning(record, tuning)
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


def _with_tuning(record: Record, tuning: Tuning | None) -> Record:
    """The record with the search of its settings, and the search's check."""
    if tuning is None:
        return record
    return with_check(record.model_copy(update={"tuning": tuning}), check_of(tuning))
