"""Peaks: a known allocation must be found."""

import pytest
import torch

from bench.measure.host_limits import status_bytes
from bench.measure.malloc import release_freed_memory
from bench.measure.memory import CLEAR_REFS, carried_bytes, read_peaks, restart_peaks
from tests.known import known

MIB = 2**20
CPU = torch.device("cpu")
needs_linux = pytest.mark.skipif(not status_bytes(), reason="no /proc")


@needs_linux
def test_known_allocation_is_found_and_a_restart_forgets_it() -> None:
    release_freed_memory(CPU)  # as a worker does before each phase; memory left by other tests would be reused
    if not restart_peaks(CPU):
        pytest.skip(f"this kernel refuses {CLEAR_REFS}")
    before = known(read_peaks(CPU, True).host_bytes)
    block = torch.ones(256 * MIB // 4)
    peak = known(read_peaks(CPU, True).host_bytes)
    assert peak - before == pytest.approx(256 * MIB, rel=0.03)
    del block
    still = known(read_peaks(CPU, True).host_bytes)
    assert still >= 0.99 * peak  # the kernel sums its per-core counters only now and then
    release_freed_memory(CPU)  # other tests may have told the heap to keep freed blocks
    restart_peaks(CPU)
    assert known(read_peaks(CPU, True).host_bytes) < peak - 200 * MIB


def test_a_peak_that_was_not_restarted_is_unknown() -> None:
    peaks = read_peaks(CPU, host_restarted=False)
    assert (peaks.host_bytes, peaks.cuda_allocated_bytes, peaks.cuda_reserved_bytes) == (None, None, None)


@needs_linux
def test_a_restarted_peak_carries_nothing_over() -> None:
    release_freed_memory(CPU)
    if not restart_peaks(CPU):
        pytest.skip(f"this kernel refuses {CLEAR_REFS}")
    carried = known(carried_bytes(CPU, True))
    assert 0 <= carried < MIB
    block = torch.ones(64 * MIB // 4)
    del block
    release_freed_memory(CPU)
    carried = known(carried_bytes(CPU, True))
    assert carried_bytes(CPU, host_restarted=False) is None
    assert carried == pytest.approx(64 * MIB, rel=0.03)


def test_the_peaks_of_an_accelerator_are_its_allocator_s_whatever_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("xpu", 1)
    asked: list[tuple[str, torch.device]] = []

    def answers(name: str, answer: int | None = None) -> None:
        def ask(of: torch.device) -> int | None:
            asked.append((name, of))
            return answer

        monkeypatch.setattr(f"torch.accelerator.{name}", ask)

    answers("synchronize")
    answers("reset_peak_memory_stats")
    answers("max_memory_allocated", 300)
    answers("max_memory_reserved", 400)
    restart_peaks(device)
    peaks = read_peaks(device, host_restarted=False)
    assert (peaks.cuda_allocated_bytes, peaks.cuda_reserved_bytes) == (300, 400)
    order = ("synchronize", "reset_peak_memory_stats", "synchronize", "max_memory_allocated", "max_memory_reserved")
    assert (asked, carried_bytes(device, host_restarted=True)) == ([(name, device) for name in order], None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_known_allocation_on_cuda() -> None:
    cuda = torch.device("cuda", 0)
    release_freed_memory(cuda)  # a larger block left by another test might be reused
    restart_peaks(cuda)
    before = known(read_peaks(cuda, False).cuda_allocated_bytes)
    block = torch.ones(256 * MIB // 4, device=cuda)
    peaks = read_peaks(cuda, False)
    del block
    assert peaks.cuda_allocated_bytes is not None
    assert peaks.cuda_allocated_bytes - before == 256 * MIB
    assert known(peaks.cuda_reserved_bytes) >= peaks.cuda_allocated_bytes
    assert read_peaks(cuda, False).cuda_allocated_bytes == peaks.cuda_allocated_bytes
    restart_peaks(cuda)
    assert (read_peaks(cuda, False).cuda_allocated_bytes, carried_bytes(cuda, False)) == (before, None)
