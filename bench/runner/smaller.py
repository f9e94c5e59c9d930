"""Smaller batches for cells that ran out of memory, as the plan works them out in a worker."""

from collections.abc import Callable, Mapping
from typing import Any

from bench.cell import Cell
from bench.errors import RequestError
from bench.record import Record
from bench.retry import Fitting, failed_batch, memory_of, reduced
from bench.runner.watcher import Watcher


class Smaller:
    """Asks the plan; cells that differ in their seed alone are asked about once."""

    def __init__(self, facts: Mapping[str, Any], ask: Callable[[str, Any], Any], watcher: Watcher) -> None:
        """Remember whom to ask.

        Args:
            facts: of the study: what a plan needs beside the cell.
            ask: has a worker answer a request, given its entry.
            watcher: told of cells that cannot be made smaller.
        """
        self._facts = facts
        self._ask = ask
        self._watcher = watcher
        self._known: dict[str, Fitting] = {}

    def of(self, cell: Cell, record: Record | None) -> Cell:
        """The cell with batches that fit, if its record says that it ran out of memory and a plan that some do."""
        if record is None or record.status != "oom" or record.failure is None:
            return cell
        batch = record.failure.fitting_batch_size
        if batch is None:  # the run was killed before the plan was asked, or the plan could not tell
            fitting = self.fitting(record)
            batch, said = fitting.batch_size, fitting.said
        else:
            said = "the plan says that no batch fits"
        if not batch:
            self._watcher.warned(f"{cell.id} is run as the study says: {said}")
            return cell
        return reduced(cell, batch)

    def fitting(self, record: Record) -> Fitting:
        """What the plan says of a cell that ran out of memory."""
        assert record.failure is not None, "a cell that ran out of memory has a failure"
        phase = record.failure.phase
        batch = failed_batch(record.cell, phase)
        if batch is None:
            return Fitting(batch_size=None, said=f"no batch size changes what {phase} takes")
        memory = memory_of(record.failure)
        key = f"{record.cell.row_id} {batch} {memory}"
        if key not in self._known:
            question = {
                **self._facts,
                "cell": record.cell.model_dump(mode="json"),
                "failed_batch": batch,
                "failure_memory": memory,
                "device": record.machine.device if record.machine else None,
            }
            try:
                self._known[key] = Fitting(**self._ask("bench.plan.fitting:answer", question))
            except RequestError as error:  # it is the measurement that counts, and it has its row
                self._known[key] = Fitting(batch_size=None, said=f"the plan did not answer: {error}")
        return self._known[key]
