"""Run cells that ran out of memory again, at a batch size that fits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.errors import RequestError
from bench.record.out_of_memory import Memory, memory_that_ran_out
from bench.record.record import Failure, Record
from bench.run.watcher import Watcher
from bench.study.cell import Cell

#: The batch that a phase holds; of one that is in neither row, no batch settles what it takes.
TRAINING = {"warm-up", "train", "memory"}
PREDICTING = {"validate", "evaluate", "inference", "latency", "generate", "insights"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """What the plan says of smaller batches.

    Attributes:
        batch_size: the largest that fits, below the one that failed; 0 where none does, None where it cannot tell.
        said: the same in words, or why it cannot tell.
    """

    batch_size: int | None
    said: str


def failed_batch(cell: Cell, phase: str) -> int | None:
    """The batch size that a phase works with; None where its memory hangs on none."""
    if phase in TRAINING:
        return cell.train.batch_size
    return cell.train.inference_batch_size if phase in PREDICTING else None


def memory_of(failure: Failure) -> Memory:
    """The memory that ran out; of a record from before ``Failure.memory`` it is told by the words."""
    return failure.memory or memory_that_ran_out(f"{failure.type}: {failure.message}") or "host"


def reduced(cell: Cell, batch_size: int) -> Cell:
    """The cell with no batch larger than this, in training as in inference."""
    sizes = {key: min(batch_size, getattr(cell.train, key)) for key in ("batch_size", "inference_batch_size")}
    return cell.model_copy(update={"train": cell.train.model_copy(update=sizes)})


def is_of(record: Record, cell: Cell) -> bool:
    """Whether a record is of this cell, be it run with smaller batches."""
    return record.cell.model_copy(update={"train": cell.train}).id == cell.id


def as_of_study(record: Record, cell: Cell) -> Record:
    """The record under the id of the study's cell, marked where it was run with smaller batches than the study's.

    Args:
        record: of ``cell`` or of what ``reduced`` made of it.
        cell: the study's.
    """
    ran, wanted = record.cell.train, cell.train
    changes: dict[str, object] = {"cell_id": cell.id}
    if ran.batch_size != wanted.batch_size:
        changes["study_batch_size"] = wanted.batch_size
    if ran.inference_batch_size != wanted.inference_batch_size:
        told = f"inference ran at batch {ran.inference_batch_size} in place of {wanted.inference_batch_size}, to fit"
        changes["warnings"] = tuple(dict.fromkeys((*record.warnings, told)))
    return record.model_copy(update=changes)


def with_fitting(record: Record, fitting: Fitting) -> Record:
    """A record of status oom whose failure says first what could be run instead."""
    failure = record.failure
    assert failure is not None, "a cell that ran out of memory has a failure"
    batch = failed_batch(record.cell, failure.phase)
    where = f"out of memory in {failure.phase}" + (f" at batch {batch}" if batch is not None else "")
    way = f"; --retry oom runs it at batch {fitting.batch_size}" if fitting.batch_size else ""
    told = failure.model_dump() | {
        "message": f"{where}; {fitting.said}{way}\n{failure.message}",
        "fitting_batch_size": fitting.batch_size,
    }
    return record.model_copy(update={"failure": Failure.model_validate(told)})


class Smaller:
    """Asks the plan; cells that differ in their seed alone are asked about once."""

    def __init__(self, ask: Callable[[str, Any], Any], watcher: Watcher) -> None:
        """Remember whom to ask.

        Args:
            ask: has a worker answer a request, given its entry.
            watcher: told of cells that cannot be made smaller.
        """
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
                "cell": record.cell.model_dump(mode="json"),
                "failed_batch": batch,
                "failure_memory": memory,
                "device": record.machine.device if record.machine else None,
            }
            try:
                self._known[key] = Fitting(**self._ask("bench.run.worker.largest_batch:answer", question))
            except RequestError as error:  # it is the measurement that counts, and it has its row
                self._known[key] = Fitting(batch_size=None, said=f"the plan did not answer: {error}")
        return self._known[key]
