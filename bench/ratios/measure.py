"""Measure the ratios of a study: prepare the methods of each dataset and model, and let them take turns."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Protocol

from bench.clocks import monotonic_seconds
from bench.errors import UnknownNameError
from bench.measure.host_limits import free_memory_bytes
from bench.method import registry
from bench.ratios.comparison import Prediction, comparisons, reference_of, sets_in_memory
from bench.ratios.estimate import Ratio
from bench.ratios.measurement import Line, Measurement, MeasurementFile, Member, Outcome, Settings
from bench.ratios.resident import FailedError, Resident, ResidentProcess
from bench.ratios.turns import Turns
from bench.ratios.window import TASKS, Failed, Task
from bench.run.executor import Executor
from bench.run.question import Questions
from bench.run.socket_folder import temporary_folder
from bench.run.study_checks import StudyChecks
from bench.run.watcher import CheckWatcher
from bench.study.cell import Cell
from bench.study.grid import needed_plugins
from bench.study.request import Request, filtered
from bench.study.sources import locate

#: Part of a pair's time that training may take; inference gets the rest.
TRAINING_FRACTION = 0.6

Prepare = Callable[[Cell], Resident]
"""Prepares a method in a process of its own; raises ``FailedError``."""


class RatioWatcher(CheckWatcher, Protocol):
    """Receiver of the progress of a measurement."""

    def preparing(self, cell: Cell) -> None:
        """A method is being prepared."""

    def measured(self, cell: Cell, task: Task, ratio: Ratio | None) -> None:
        """A block was measured; the ratio so far."""


def measure(
    request: Request, settings: Settings, reference: str | None, path: Path, make_executor: Callable[[], Executor],
    watcher: RatioWatcher,
) -> Measurement:  # fmt: skip
    """Measure the throughput ratios of a study's methods.

    Args:
        request: the user's request; of several seeds and repeats the first is measured.
        settings: when a measurement ends.
        reference: name of the method to compare with; None: see ``reference_of``.
        path: path of the file of windows, which is replaced.
        make_executor: function that makes the executor.
        watcher: receiver of progress and warnings.

    Raises:
        RequestError: the request is wrong; nothing was measured.
        KeyboardInterrupt: it was interrupted; the file has the windows so far.
    """
    study = _Study(request.without_baselines, reference, watcher)
    with temporary_folder("tunebench-ratios-") as name, closing(make_executor()) as executor:
        groups, predicted, free_bytes = study.checked(executor, Path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            measurement = MeasurementFile(Measurement(settings), file)
            prepare = _preparing(executor, Path(name))
            for group in groups:
                chosen = reference_of(group, predicted, reference)
                Comparison(chosen, group, prepare, measurement, watcher).measure(predicted, free_bytes)
    return measurement.measurement


def _preparing(executor: Executor, place: Path) -> Prepare:
    """A function that prepares a method, each in a folder of its own."""
    numbers = count()

    def prepare(cell: Cell) -> Resident:
        folder = place / f"resident-{next(numbers)}"
        folder.mkdir()
        return ResidentProcess(cell, folder, executor.start)

    return prepare


class _Study:
    """The checks of a study before it is measured."""

    def __init__(self, request: Request, reference: str | None, watcher: RatioWatcher) -> None:
        self._request, self._reference, self._watcher = request, reference, watcher
        self._found = registry.find(request.plugin_files)
        self._needed = needed_plugins(request.study, self._found)
        self._sources = locate(request.study, request.data_root, request.scale)

    def checked(self, executor: Executor, place: Path) -> tuple[list[list[Cell]], dict[str, Prediction], int]:
        """The cells to compare, the plan's answer about each by its id, and the free memory of their device."""
        limit_seconds = self._request.study.limits.cell_timeout_seconds
        questions = Questions(
            place / "jobs", lambda entry, folder: executor.start(entry, folder, free_memory_bytes()),
            self._watcher.warned, limit_seconds,
        )  # fmt: skip
        checks = StudyChecks(self._request, self._found, self._needed, questions.ask, self._watcher)
        cells = filtered(checks.cells(checks.descriptions({}), self._sources), self._request.only)
        groups = comparisons([cell for cell in cells if cell.model.kind != "none"])
        _require_reference(self._reference, cells)
        filled = {cell.id: cell for cell in checks.filled([cell for group in groups for cell in group])}
        self._watcher.checking("memory")
        contents = [cell.model_dump(mode="json") for cell in filled.values()]
        answer = questions.ask("bench.ratios.prediction:answer", contents)
        predicted = {cell_id: Prediction(**facts) for cell_id, facts in answer["cells"].items()}
        return [[filled[cell.id] for cell in group] for group in groups], predicted, int(answer["free_bytes"])


def _require_reference(wanted: str | None, cells: Sequence[Cell]) -> None:
    known = {cell.method.name for cell in cells}
    if wanted is not None and wanted not in known:
        raise UnknownNameError("method in --reference", wanted, known)


class Comparison:
    """The methods of one dataset and model."""

    def __init__(
        self, reference: Cell, group: Sequence[Cell], prepare: Prepare, file: MeasurementFile, watcher: RatioWatcher,
        clock: Callable[[], float] = monotonic_seconds,
    ) -> None:  # fmt: skip
        """Add the methods to the file.

        Args:
            reference: method that the others are compared with.
            group: all methods in the study's order.
            prepare: function that prepares a method.
            file: receiver of the results.
            watcher: receiver of progress.
            clock: clock of the time limits, in seconds.
        """
        self._reference, self._others = reference, [cell for cell in group if cell is not reference]
        self._prepare, self._file, self._watcher, self._clock = prepare, file, watcher, clock
        self._outcomes = {cell.id: Outcome(id=cell.id) for cell in group}
        for cell in group:
            file.add(Line(member=Member(cell=cell, reference_id=reference.id)))

    def measure(self, predicted: dict[str, Prediction], free_bytes: int) -> None:
        """Measure every method against the reference.

        Args:
            predicted: plan's answer by cell id.
            free_bytes: memory that processes may take now.
        """
        for cells in sets_in_memory(self._reference, self._others, predicted, free_bytes):
            if self._outcomes[self._reference.id].failed is None:
                with ExitStack() as processes:
                    self._measure_set(cells, processes)
        for outcome in self._outcomes.values():
            self._file.add(Line(outcome=outcome))

    def _measure_set(self, cells: Sequence[Cell], processes: ExitStack) -> None:
        members = []
        for cell in (self._reference, *cells):
            if (resident := self._prepared(cell)) is not None:
                processes.callback(resident.close)
                members.append(resident)
            elif cell is self._reference:
                return
        seconds = self._file.measurement.settings.seconds * (len(members) - 1)
        for task in TASKS:
            able = [member for member in members if self._can(member, task)]
            if len(able) > 1 and able[0].cell is self._reference:
                fraction = TRAINING_FRACTION if task == "training" else 1
                seconds -= self._take_turns(task, able, seconds * fraction)

    def _prepared(self, cell: Cell) -> Resident | None:
        self._watcher.preparing(cell)
        try:
            resident = self._prepare(cell)
        except FailedError as error:
            self._fail(cell.id, error.failed)
            return None
        self._update(cell.id, ready=resident.ready)
        return resident

    def _can(self, member: Resident, task: Task) -> bool:
        return self._outcomes[member.cell.id].failed is None and (task == "inference" or member.ready.trains)

    def _take_turns(self, task: Task, members: Sequence[Resident], seconds: float) -> float:
        """Measure one task; returns the seconds that it took."""
        began = self._clock()
        cells = {member.cell.id: member.cell for member in members}
        turns = Turns(
            task, members, lambda window: self._file.add(Line(window=window)),
            lambda cell_id, ratio: self._watcher.measured(cells[cell_id], task, ratio), self._clock,
        )  # fmt: skip
        turns.measure(self._file.measurement.settings.within_percent, seconds)
        spent = self._clock() - began
        for cell_id in cells:
            known = self._outcomes[cell_id].task_seconds
            self._update(cell_id, task_seconds=known | {task: known.get(task, 0.0) + spent})
        for cell_id, failed in turns.failed.items():
            self._fail(cell_id, failed)
        return spent

    def _fail(self, cell_id: str, failed: Failed) -> None:
        self._watcher.warned(f"{cell_id}: {failed}")
        self._update(cell_id, failed=failed)

    def _update(self, cell_id: str, **changes: object) -> None:
        self._outcomes[cell_id] = self._outcomes[cell_id].model_copy(update=changes)
