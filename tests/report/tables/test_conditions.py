"""The conditions of measurement name the kernels of cells on a CPU."""

import pytest

from bench.record.record import Record
from bench.report.tables.conditions import conditions
from tests.report.conftest import MakeRecord

FAST = "fast (tunebench's own dropout, linear layers and allocator settings)"


def with_kernels(record: Record, kernels: str) -> Record:
    train = record.cell.train.model_copy(update={"kernels": kernels})
    return record.model_copy(update={"cell": record.cell.model_copy(update={"train": train})})


@pytest.mark.parametrize(
    ("kernels", "said"),
    [
        (["stock", "stock"], "; kernels stock; "), (["fast", "fast"], f"; kernels {FAST}; "),
        (["stock", "fast"], f"; kernels stock, {FAST} (differs between rows); "),
    ],
)  # fmt: skip
def test_kernels_are_those_of_the_cells(kernels: list[str], said: str, make_record: MakeRecord) -> None:
    assert said in conditions([with_kernels(make_record(seed=seed), one) for seed, one in enumerate(kernels)])


def test_a_gpu_has_none(make_record: MakeRecord) -> None:
    record = make_record()
    assert record.machine
    on_gpu = record.model_copy(update={"machine": record.machine.model_copy(update={"device": "cuda"})})
    assert "kernels" not in conditions([with_kernels(on_gpu, "fast")])
