"""Which peaks an audit predicts, and which rows share one."""

from pathlib import Path

import pytest

from bench.commands.audit.checked_peaks import CheckedPeaks, peak_key
from bench.commands.audit.published import load
from bench.plan.plan import Plan
from tests.commands.audit.true_tables import small_plan

HEADER = "dataset,model,method,peak_memory_mb,batch_size,precision_mode,sequence_length"
STATED = ["two,encoder,lora,1.0,32,fp32,32", "three,encoder,lora,1.0,32,fp32,32"]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return small_plan(tmp_path)


def peaks(folder: Path, plan: Plan, *lines: str) -> CheckedPeaks:
    (folder / "mine.csv").write_text("\n".join((HEADER, *lines)), encoding="utf-8")
    return CheckedPeaks.of(load(folder / "mine.csv"), plan.cells)


def test_rows_that_differ_in_their_dataset_share_a_prediction(tmp_path: Path, plan: Plan) -> None:
    checked = peaks(tmp_path, plan, *STATED)
    plan.with_memory = checked
    cells = [cell for cell in plan.cells if (cell.model.name, cell.method.name) == ("encoder", "lora")]
    assert [checked(cell) for cell in cells] == [True, False, False]
    rows = [plan.row(cell) for cell in cells]
    assert [row.train_memory is None for row in rows] == [False, True, True]
    shared = checked.shared(rows, cells)
    assert {row.train_memory for row in shared} == {rows[0].train_memory}
    assert [row.unknown for row in shared] == [rows[0].unknown] * 3
    assert [row.dataset for row in shared] == ["two", "three", "five"]
    # A class more is a row of the head: weight, gradient and two moments.
    (tmp_path / "again").mkdir()
    every = small_plan(tmp_path / "again")
    every.with_memory = True
    wider, given = every.row(every.cells[plan.cells.index(cells[2])]).train_memory, shared[2].train_memory
    assert wider is not None
    assert given is not None
    assert 0 < wider.peak_bytes - given.peak_bytes < 0.01 * wider.peak_bytes


def test_without_stated_conditions_no_peak_is_predicted(tmp_path: Path, plan: Plan) -> None:
    checked = peaks(tmp_path, plan, "two,encoder,lora,1.0,,fp32,32")
    assert not any(map(checked, plan.cells))
    rows = [plan.row(cell) for cell in plan.cells[:2]]
    assert checked.shared(rows, plan.cells[:2]) == rows


def test_the_key_may_leave_the_batch_size_open(plan: Plan) -> None:
    cell = plan.cells[0]
    other = cell.model_copy(update={"train": cell.train.model_copy(update={"batch_size": 7})})
    assert peak_key(cell) != peak_key(other)
    assert peak_key(cell, any_batch=True) == peak_key(other, any_batch=True)


def test_an_audit_does_without_the_second_count(tmp_path: Path) -> None:
    plan = small_plan(tmp_path)
    plan.with_trace = False
    row = plan.row(plan.cells[0])
    assert row.forward_flops
    assert row.forward_flops_traced is None
    assert row.unknown["forward_flops_traced"] == "the second count was not requested"
    assert row.remarks == ()
