"""Cells that ran out of memory: what is said of them, and what is run in their place."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from bench.errors import RequestError
from bench.record.record import Failure, Record
from bench.run.oom import (
    LargestBatch,
    SmallerBatches,
    as_of_study,
    failed_batch,
    is_of,
    memory_of,
    reduced,
    with_largest_batch,
)
from bench.study.cell import Cell
from tests.known import known
from tests.report.conftest import _record

BATCHES = {"batch_size": 64, "inference_batch_size": 128}


def cell_of(seed: int = 0, **sizes: int) -> Cell:
    cell = _record(seed=seed).cell
    return cell.model_copy(update={"train": cell.train.model_copy(update=BATCHES | sizes)})


def sizes(cell: Cell) -> tuple[int, int]:
    return cell.train.batch_size, cell.train.inference_batch_size


def out_of_memory(cell: Cell, phase: str = "train", fitting: int | None = None) -> Record:
    failure = {"phase": phase, "type": "RuntimeError", "message": "no memory", "fitting_batch_size": fitting}
    content = _record().model_dump() | {"cell": cell, "cell_id": cell.id, "status": "oom", "failure": failure}
    return Record.model_validate(content)


@pytest.mark.parametrize(
    ("phase", "batch"),
    [
        ("warm-up", 64), ("train", 64), ("inference", 128), ("evaluate", 128), ("load", None), ("adapt", None),
        ("?", None),
    ],
)  # fmt: skip
def test_the_batch_that_a_phase_works_with(phase: str, batch: int | None) -> None:
    assert failed_batch(cell_of(), phase) == batch


@pytest.mark.parametrize(("batch", "left"), [(16, (16, 16)), (100, (64, 100)), (128, (64, 128)), (1, (1, 1))])
def test_no_batch_is_larger_than_what_fits_and_none_grows(batch: int, left: tuple[int, int]) -> None:
    cell = cell_of()
    assert (sizes(reduced(cell, batch)), reduced(cell, 128)) == (left, cell)


class TestRecordOfAReducedCell:
    def test_it_is_the_study_s_cell_with_a_mark(self) -> None:
        cell = cell_of()
        ran = _record().model_copy(update={"cell": reduced(cell, 16), "cell_id": reduced(cell, 16).id})
        record = as_of_study(ran, cell)
        assert (record.cell_id, record.study_batch_size, sizes(record.cell)) == (cell.id, 64, (16, 16))
        assert record.warnings == ("inference ran at batch 16 in place of 128, to fit",)
        assert as_of_study(record, cell) == record, "a run that was killed amid it does it again"

    def test_inference_alone(self) -> None:
        cell = cell_of()
        record = as_of_study(_record().model_copy(update={"cell": reduced(cell, 100)}), cell)
        assert record.study_batch_size is None
        assert record.warnings == ("inference ran at batch 100 in place of 128, to fit",)

    def test_one_as_the_study_says_is_left_as_it_is(self) -> None:
        cell = cell_of()
        record = _record().model_copy(update={"cell": cell, "cell_id": cell.id})
        assert as_of_study(record, cell) == record

    def test_a_record_of_another_cell_is_known(self) -> None:
        cell, other = cell_of(), cell_of(seed=1)
        assert is_of(out_of_memory(reduced(cell, 16)), cell)
        assert not is_of(out_of_memory(other), cell)


class TestWhatIsSaid:
    def test_the_phase_the_batch_and_the_way_out_come_first(self) -> None:
        record = with_largest_batch(out_of_memory(cell_of()), LargestBatch(batch_size=16, said="batch 16 fits"))
        assert known(record.failure).fitting_batch_size == 16
        assert known(record.failure).message == (
            "out of memory in train at batch 64; batch 16 fits; --retry oom runs it at batch 16\nno memory"
        )

    @pytest.mark.parametrize("batch", [0, None])
    def test_no_way_is_promised_where_there_is_none(self, batch: int | None) -> None:
        record = with_largest_batch(out_of_memory(cell_of(), "load"), LargestBatch(batch_size=batch, said="too large"))
        assert known(record.failure).message == "out of memory in load; too large\nno memory"
        assert known(record.failure).fitting_batch_size == batch


@dataclass
class Plan:
    """Answers what it is told to, or refuses, and counts how often it was asked."""

    batch: int | None = 16
    refuses: bool = False
    asked: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def ask(self, entry: str, question: Any) -> Any:
        assert entry == "bench.run.worker.largest_batch:answer"
        self.asked.append(question)
        if self.refuses:
            raise RequestError("it ended with code 1")
        return {"batch_size": self.batch, "said": f"batch {self.batch} fits"}

    def warned(self, message: str) -> None:
        self.warnings.append(message)

    @property
    def smaller(self) -> SmallerBatches:
        return SmallerBatches(self.ask, self)  # type: ignore[arg-type]


class TestSmaller:
    def test_seeds_of_one_row_are_asked_about_once(self) -> None:
        plan = Plan()
        smaller = plan.smaller
        fittings = [smaller.largest_batch(out_of_memory(cell_of(seed=seed))) for seed in range(3)]
        assert ([fitting.batch_size for fitting in fittings], len(plan.asked)) == ([16, 16, 16], 1)
        smaller.largest_batch(out_of_memory(cell_of(batch_size=32)))
        assert [question["failed_batch"] for question in plan.asked] == [64, 32]

    def test_a_phase_without_a_batch_is_not_asked_about(self) -> None:
        plan = Plan()
        fitting = plan.smaller.largest_batch(out_of_memory(cell_of(), "load"))
        assert fitting == LargestBatch(batch_size=None, said="the memory of load does not depend on a batch size")
        assert plan.asked == []

    def test_a_plan_that_fails_is_a_reason(self) -> None:
        fitting = Plan(refuses=True).smaller.largest_batch(out_of_memory(cell_of()))
        assert fitting == LargestBatch(batch_size=None, said="the plan did not answer: it ended with code 1")

    def test_the_batch_of_the_record_is_what_is_run(self) -> None:
        plan, cell = Plan(batch=3), cell_of()
        assert sizes(plan.smaller.of(cell, out_of_memory(cell, fitting=8))) == (8, 8)
        assert plan.asked == []

    def test_a_record_that_was_cut_short_of_it_is_asked_about_again(self) -> None:
        plan, cell = Plan(batch=3), cell_of()
        assert sizes(plan.smaller.of(cell, out_of_memory(cell))) == (3, 3)

    @pytest.mark.parametrize(("known", "plan"), [(0, Plan()), (None, Plan(batch=0)), (None, Plan(refuses=True))])
    def test_a_cell_that_no_batch_fits_is_run_as_it_was_and_said(self, known: int | None, plan: Plan) -> None:
        cell = cell_of()
        assert plan.smaller.of(cell, out_of_memory(cell, fitting=known)) == cell
        assert len(plan.warnings) == 1
        assert "is run with the study's batch sizes" in plan.warnings[0]

    @pytest.mark.parametrize("record", [None, _record(status="error")])
    def test_other_cells_are_run_as_the_study_says(self, record: Record | None) -> None:
        plan, cell = Plan(), cell_of()
        assert (plan.smaller.of(cell, record), plan.warnings) == (cell, [])


@pytest.mark.parametrize(
    ("told", "memory"),
    [
        ({"type": "RuntimeError", "message": "CUDA error: out of memory", "memory": "host"}, "host"),
        ({"type": "OutOfMemoryError", "message": "Tried to allocate 2.00 GiB"}, "gpu"),
        ({"type": "RuntimeError", "message": "out of memory in train at batch 8; x\nCUDA error: out of memory"}, "gpu"),
        ({"type": "RuntimeError", "message": "DefaultCPUAllocator: can't allocate"}, "host"),
        ({"type": "signal 9", "message": "the kernel killed the worker"}, "host"),
    ],
)
def test_whose_memory_ran_out_is_read_from_older_records_too(told: dict[str, Any], memory: str) -> None:
    failure = Failure.model_validate({"phase": "train", **told})
    assert memory_of(failure) == memory
    assert memory_of(failure.model_copy(update={"fitting_batch_size": 4})) == memory
