"""FLOPs are counted once for all cells with the same model and method, and again when anything else changes."""

from pathlib import Path

import pytest
import torch

from bench.measure.flops.lengths import FlopsByLength
from bench.method import Task
from bench.record.record import Check, Flops, Parameters
from bench.run.worker.counting import Counted
from bench.run.worker.kept_counts import counted
from bench.study.cell import Cell
from tests.study.test_cell import cell

TASK = Task(labels=("bad", "good"), max_length=64, kind="encoder")
PARAMETERS = Parameters(trainable_params=1, total_params=2, logical_params=2)
COUNTED = Counted(
    Flops(forward_flops=640, sequence_length=64), "no closed form", FlopsByLength((0.0, 10.0, 0.5)), None,
    Check(name="FLOP counters agree", verdict="valid", found="2 ways"),
)  # fmt: skip


class Counter:
    """Counts how often it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder / "cells" / "x", 0

    def __call__(
        self, cell: Cell, task: Task = TASK, dtype: torch.dtype = torch.float32, parameters: Parameters = PARAMETERS
    ) -> Counted:
        def count() -> Counted:
            self.asked += 1
            return COUNTED

        return counted(self.folder, cell, task, dtype, parameters, count)


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return Counter(tmp_path)


def test_another_seed_is_not_counted(counter: Counter) -> None:
    found = [counter(cell(seed=seed)) for seed in (0, 1)]
    found.append(counter(cell(method__label="another name", limits={"cell_timeout_seconds": 9})))
    assert (found, counter.asked) == ([COUNTED] * 3, 1)


def test_what_counts_depend_on_is_counted_anew(counter: Counter) -> None:
    counter(cell())
    counter(cell(model__fingerprint="other"))
    counter(cell(method__given={"r": 9}))
    counter(cell(method__sha256="cd"))
    counter(cell(), Task(labels=("bad", "good"), max_length=65, kind="encoder"))
    counter(cell(), Task(labels=("bad", "good", "neither"), max_length=64, kind="encoder"))
    counter(cell(), dtype=torch.bfloat16)
    counter(cell(), parameters=PARAMETERS.model_copy(update={"total_params": 3}))
    assert counter.asked == 8


def test_a_damaged_file_is_counted_anew(counter: Counter, tmp_path: Path) -> None:
    counter(cell())
    (kept,) = (tmp_path / "flops").iterdir()
    kept.write_text(kept.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    assert (counter(cell()), counter.asked) == (COUNTED, 2)
    assert (counter(cell()), counter.asked) == (COUNTED, 2)


def test_nothing_is_kept_outside_of_a_run_folder(counter: Counter, tmp_path: Path) -> None:
    counter.folder = tmp_path / "explained" / "x"
    assert [counter(cell()) for _ in range(2)] == [COUNTED] * 2
    assert counter.asked == 2
    assert not list(tmp_path.iterdir())
