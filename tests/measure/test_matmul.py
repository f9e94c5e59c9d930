"""The rate of a large matmul, measured without side effects."""

import time
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.measure import matmul
from bench.measure.matmul import MatmulRate
from tests.known import known

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.timed
def test_is_what_a_stopwatch_says_of_the_same_matmul() -> None:
    found = known(matmul.matmul_rate(CPU, torch.float32).flops_per_second)
    first, second = torch.randn(2, matmul.CPU_SIZE, matmul.CPU_SIZE)
    started = time.perf_counter()
    for _ in range(3):
        torch.mm(first, second)
    by_hand = 3 * 2 * matmul.CPU_SIZE**3 / (time.perf_counter() - started)
    assert 0.8 * by_hand < found < 2 * by_hand


def test_the_cell_s_own_draws_stay_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul, "CPU_SIZE", 64)
    monkeypatch.setattr(matmul, "MEASURED_SECONDS", 0.0)
    torch.manual_seed(0)
    drawn = torch.randn(4)
    torch.manual_seed(0)
    assert (matmul.matmul_rate(CPU, torch.bfloat16).flops_per_second or 0) > 0
    assert torch.equal(torch.randn(4), drawn)


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_takes_as_long_and_as_many_runs_as_said(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run chooses kernels and is ignored; the fastest of the others counts."""
    took = [9.0, 3.0, 2.0]
    runs: list[float] = []

    def run(first: torch.Tensor, second: torch.Tensor) -> float:
        assert first.shape == second.shape == (64, 64)
        runs.append(took[len(runs)] if len(runs) < len(took) else 3.0)
        return runs[-1]

    monkeypatch.setattr(matmul, "CPU_SIZE", 64)
    monkeypatch.setattr(matmul, "MEASURED_SECONDS", seconds)
    monkeypatch.setattr(matmul, "_seconds", run)
    started = time.perf_counter()
    assert matmul.matmul_rate(CPU, torch.float32) == MatmulRate(2 * 64**3 / 2)
    assert time.perf_counter() - started >= seconds
    assert len(runs) == 1 + matmul.LEAST_RUNS if not seconds else len(runs) > 1 + matmul.LEAST_RUNS


class TestNoRoom:
    """On a card that is nearly full the rate is unknown, and the cell goes on."""

    def test_for_the_matrices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("torch.accelerator.get_memory_info", lambda device: (400_000_000, 80 * 10**9))
        found = matmul.matmul_rate(torch.device("cuda", 0), torch.bfloat16)
        assert found == MatmulRate(None, "a matmul of 8192 rows needs 0.54 GB, and 0.40 GB are free")

    def test_since_others_took_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> float:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 128 MiB.\nGPU 0 has 1 MiB free.")

        monkeypatch.setattr(matmul, "CPU_SIZE", 64)
        monkeypatch.setattr(matmul, "_seconds", full)
        found = matmul.matmul_rate(CPU, torch.float32)
        assert found.flops_per_second is None
        assert found.why_not == (
            "a matmul of 64 rows ran out of memory: CUDA out of memory. Tried to allocate 128 MiB."
        )

    def test_another_error_is_the_cell_s(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> float:
            raise RuntimeError("CUDA error: device-side assert triggered")

        monkeypatch.setattr(matmul, "CPU_SIZE", 64)
        monkeypatch.setattr(matmul, "_seconds", broken)
        with pytest.raises(RuntimeError, match="device-side assert"):
            matmul.matmul_rate(CPU, torch.float32)


@pytest.mark.parametrize("backward", [False, True])
def test_small_ones_call_the_library_in_each_thread(backward: bool) -> None:
    """Optionally with a backward pass; on a CPU both run in one thread."""
    matmuls = Matmuls()
    with matmuls:
        matmul.small(CPU, torch.bfloat16, backward=backward)
    assert matmuls.count > 2 if backward else matmuls.count == 2
    assert matmuls.dtypes == {torch.bfloat16}


class Matmuls(TorchDispatchMode):
    """Counts the matmuls that run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count, self.dtypes = 0, set[torch.dtype]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm):
            self.count += 1
            self.dtypes.add(args[-1].dtype)
        return func(*args, **(kwargs or {}))
