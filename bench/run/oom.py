"""Run cells that ran out of memory again, at a batch size that is predicted to fit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.errors import RequestError
from bench.record.out_of_memory import Memory, memory_that_ran_out
from bench.record.record import Failure, Record
from bench.run.watcher import Watcher
from bench.study.cell import Cell

#: Phases by the batch size that determines their memory; that of other phases does not depend on one.
TRAINING = {"warm-up", "train", "memory"}
PREDICTING = {"validate", "evaluate", "inference", "latency", "generate", "insights"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestBatch:
    """The plan's answer about smaller batches.

    Attributes:
        batch_size: largest size below the failed one that fits; 0 if none does, None if unknown.
        said: the same as a sentence, or why it is unknown.
    """

    batch_size: int | None
    said: str


def failed_batch(cell: Cell, phase: str) -> int | None:
    """The batch size of a phase; None if its memory does not depend on one."""
    if phase in TRAINING:
        return cell.train.batch_size
    return cell.train.inference_batch_size if phase in PREDICTING else None


def memory_of(failure: Failure) -> Memory:
    """The memory that ran out; for old records without ``Failure.memory`` it is inferred from the message."""
    return failure.memory or memory_that_ran_out(f"{failure.type}: {failure.message}") or "host"


def reduced(cell: Cell, batch_size: int) -> Cell:
    """The cell with batch sizes of at most this, for training and inference."""
    sizes = {key: min(batch_size, getattr(cell.train, key)) for key in ("batch_size", "inference_batch_size")}
    return cell.model_copy(update={"train": cell.train.model_copy(update=sizes)})


def is_of(record: Record, cell: Cell) -> bool:
    """Whether a record is of this cell, possibly with smaller batches."""
    return record.cell.model_copy(update={"train": cell.train}).id == cell.id


def as_of_study(record: Record, cell: Cell) -> Record:
    """The record under the id of the study's cell, marked if it was run with smaller batches.

    Args:
        record: record of ``cell``, possibly with ``reduced`` batches.
        cell: cell of the study.
    """
    ran, wanted = record.cell.train, cell.train
    changes: dict[str, object] = {"cell_id": cell.id}
    if ran.batch_size != wanted.batch_size:
        changes["study_batch_size"] = wanted.batch_size
    if ran.inference_batch_size != wanted.inference_batch_size:
        warning = f"inference ran at batch {ran.inference_batch_size} in place of {wanted.inference_batch_size}, to fit"
        changes["warnings"] = tuple(dict.fromkeys((*record.warnings, warning)))
    return record.model_copy(update=changes)


def with_largest_batch(record: Record, fitting: LargestBatch) -> Record:
    """A record of status oom whose message begins with the batch size that would fit."""
    failure = record.failure
    assert failure is not None, "a cell that ran out of memory has a failure"
    batch = failed_batch(record.cell, failure.phase)
    where = f"out of memory in {failure.phase}" + (f" at batch {batch}" if batch is not None else "")
    way = f"; --retry oom runs it at batch {fitting.batch_size}" if fitting.batch_size else ""
    content = failure.model_dump() | {
        "message": f"{where}; {fitting.said}{way}\n{failure.message}",
        "fitting_batch_size": fitting.batch_size,
    }
    return record.model_copy(update={"failure": Failure.model_validate(content)})


class SmallerBatches:
    """Asks the plan for smaller batches, once for cells that differ only in their seed."""

    def __init__(self, ask: Callable[[str, Any], Any], watcher: Watcher) -> None:
        """Store the collaborators.

        Args:
            ask: function that has a worker answer a request, given its entry point.
            watcher: receiver of warnings about cells that stay unchanged.
        """
        self._ask = ask
        self._watcher = watcher
        self._known: dict[str, LargestBatch] = {}

    def of(self, cell: Cell, record: Record | None) -> Cell:
        """The cell with batches that fit, if it ran out of memory and the plan finds a batch size that fits."""
        if record is None or record.status != "oom" or record.failure is None:
            return cell
        batch = record.failure.fitting_batch_size
        if batch is None:  # the plan was not asked, or did not know
            fitting = self.largest_batch(record)
            batch, said = fitting.batch_size, fitting.said
        else:
            said = "the plan says that no batch fits"
        if not batch:
            self._watcher.warned(f"{cell.id} is run with the study's batch sizes: {said}")
            return cell
        return reduced(cell, batch)

    def largest_batch(self, record: Record) -> LargestBatch:
        """The plan's answer about a cell that ran out of memory."""
        assert record.failure is not None, "a cell that ran out of memory has a failure"
        phase = record.failure.phase
        batch = failed_batch(record.cell, phase)
        if batch is None:
            return LargestBatch(batch_size=None, said=f"the memory of {phase} does not depend on a batch size")
        memory = memory_of(record.failure)
        key = f"{record.cell.row_id} {batch} {memory}"
        if key not in self._known:
            question = {
                "cell": record.cell.model_dump(mode="json"), "failed_batch": batch, "failure_memory": memory,
                "device": record.machine.device if record.machine else None,
            }  # fmt: skip
            try:
                self._known[key] = LargestBatch(**self._ask("bench.run.worker.largest_batch:answer", question))
            except RequestError as error:  # the measurement has its record anyway
                self._known[key] = LargestBatch(batch_size=None, said=f"the plan did not answer: {error}")
        return self._known[key]
