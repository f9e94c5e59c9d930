"""Calibration: a thread's workspace is taken before it is read, and a card without room ends no cell."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.measure import matmul
from bench.measure.matmul import MatmulRate
from bench.run.worker import prepare
from bench.run.worker.utilisation import MatmulReadings
from bench.run.worker.work import Work

CPU = torch.device("cpu")


class Memory:
    """Notes which matmuls were taken while a workspace was looked for."""

    def __init__(self) -> None:
        self.inside = False
        self.taken: list[bool] = []

    @contextmanager
    def library_workspace(self) -> Iterator[None]:
        self.inside = True
        yield
        self.inside = False


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Any:
    memory = Memory()

    def small(device: torch.device, dtype: torch.dtype, backward: bool = False) -> None:
        assert memory.inside
        assert dtype == torch.bfloat16, "of the cell"
        memory.taken.append(backward)

    def rate(device: torch.device, dtype: torch.dtype) -> MatmulRate:
        assert not memory.inside, "its matrices are no workspace"
        return MatmulRate(None, "there is no room")

    monkeypatch.setattr(matmul, "small", small)
    monkeypatch.setattr(matmul, "matmul_rate", rate)
    work: Any = SimpleNamespace(memory=memory, device=CPU, dtype=torch.bfloat16, facts={}, matmul=MatmulReadings())
    work.read_matmul = partial(Work.read_matmul, work)
    return work


@pytest.mark.parametrize(("trains", "taken"), [(True, [False, True]), (False, [False])])
def test_a_cell_that_does_not_train_has_no_workspace_of_autograd_s(trains: bool, taken: list[bool], work: Any) -> None:
    method: Any = SimpleNamespace(trains=trains)
    prepare._calibrate(work, method)
    assert work.memory.taken == taken
    assert work.facts == {
        "matmul_flops_per_second": None, "matmul_readings_flops_per_second": {"calibrate": None},
    }  # fmt: skip
    assert work.matmul.why_unknown["matmul_flops_per_second"] == "there is no room"
