"""The conditions of measurement name the CPU kernels that were in use."""

import pytest

from bench.record.record import CpuKernel
from bench.report.tables.conditions import conditions
from tests.report.conftest import MakeRecord


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([("dropout",), ("packed linear layers",)], "; CPU kernels of tunebench: packed linear layers, dropout; "),
        ([None, ("dropout",)], "; CPU kernels of tunebench: dropout; "),
        ([(), None], None),
    ],
)
def test_cpu_kernels_are_those_of_the_records(
    cells: list[tuple[CpuKernel, ...] | None], said: str | None, make_record: MakeRecord
) -> None:
    records = [make_record(seed=seed).model_copy(update={"cpu_kernels": used}) for seed, used in enumerate(cells)]
    found = conditions(records)
    assert said in found if said else "CPU kernels" not in found
