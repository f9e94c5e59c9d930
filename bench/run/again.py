"""Measure finished cells again whose files were changed while other cells were measured."""

from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping

from bench.clocks import date_now
from bench.errors import RequestError, RunFolderError
from bench.record.record import Failure, Record
from bench.run.finished import Finished
from bench.run.watcher import Watcher
from bench.study.cell import Cell

#: Maximum repetitions of a cell, because two methods may change each other's cells for ever.
MOST_TIMES = 2


class ChangedCells:
    """Finds the cells of a run that must be measured again."""

    def __init__(
        self, chosen: Mapping[str, Cell], latest: MutableMapping[str, Record | None], finished: Finished,
        check: Callable[[list[Cell]], list[Cell]], watcher: Watcher,
    ) -> None:  # fmt: skip
        """Store the collaborators.

        Args:
            chosen: cells that may be measured, by id.
            latest: latest record of each cell of the study, by id; invalid ones are set to None.
            finished: finished cells, which detect changes.
            check: function that fills in the options of cells and raises if they cannot be measured.
            watcher: receiver of warnings.
        """
        self._chosen, self._latest, self._finished = chosen, latest, finished
        self._check, self._watcher = check, watcher
        self._times: Counter[str] = Counter()

    def cells(self, queued: set[str], thoroughly: bool) -> list[Cell]:
        """The cells to measure again; each one causes a warning.

        Args:
            queued: ids of cells that are still to be measured.
            thoroughly: whether every byte is compared, as at the end of a run.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        valid = [key for key, record in self._latest.items() if record is not None and key not in queued]
        lost = []
        for cell_id, what in self._finished.changed(valid, thoroughly):
            if self._times[cell_id] >= MOST_TIMES:
                self._give_up(cell_id, what)
            elif cell_id not in self._chosen:
                self._latest[cell_id] = None
                self._watcher.warned(f"no longer valid: {what}; run its cell again")
            else:
                self._times[cell_id] += 1
                self._latest[cell_id] = None
                self._watcher.warned(f"measured again: {what}")
                lost.append(self._chosen[cell_id])
        return self._checked(lost) if lost else []

    def _checked(self, lost: list[Cell]) -> list[Cell]:
        try:
            return self._check(lost)
        except RunFolderError:
            raise
        except RequestError as error:
            self._watcher.warned(f"not measured again: {error}")
            return []

    def _give_up(self, cell_id: str, what: str) -> None:
        """Record a failure for a cell that is changed after each measurement."""
        record = self._latest[cell_id]
        assert record is not None, "a valid cell has a record"
        failed = Record(
            cell_id=cell_id, cell=record.cell, status="error",
            failure=Failure(phase="keep", type="Changed", message=f"{what}, {MOST_TIMES + 1} times, by another cell"),
            started_at=date_now(), wall_seconds=record.wall_seconds,
        )  # fmt: skip
        self._finished.keep(cell_id, failed.model_dump_json(indent=1) + "\n")
        self._latest[cell_id] = failed
        self._watcher.warned(f"given up: {what}")
