"""What a record says of memory: which peak, what it is made of, and parts that add up to it."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.measure.memory import CLEAR_REFS, restart_peaks
from bench.measure.nvml import GpuUse, NvmlDevice
from bench.record.memory_breakdown import Kind, MemoryBreakdown
from bench.record.record import Phase, PhaseName
from bench.run.marks import Marks
from bench.run.worker.facts import Facts
from bench.run.worker.memory_record import MemoryRecord
from bench.run.worker.phases import Phases
from tests.measure.test_nvml import Driver

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
MIB = 2**20
HELD: dict[Kind, int] = {"weights": 100, "gradients": 20, "optimizer_state": 40, "activations": 30, "workspace": 5}


@dataclass
class MadeUp(Phases):
    """Phases that are over, with peaks that a test makes up."""

    def __init__(self, *done: Phase) -> None:
        self.done, self.nvml = list(done), None


def phase(name: PhaseName, peak: int | None, reserved: int | None = None, on_cuda: bool = False) -> Phase:
    return Phase(
        name=name, seconds=1.0, peak_host_bytes=None if on_cuda else peak,
        peak_cuda_allocated_bytes=peak if on_cuda else None, peak_cuda_reserved_bytes=reserved,
    )  # fmt: skip


def parts(breakdown: MemoryBreakdown) -> int:
    """The sum of all that a peak is made of."""
    return sum(value for value in breakdown.model_dump(exclude={"of", "peak_bytes"}).values() if value is not None)


def facts(record: MemoryRecord) -> tuple[Facts, dict[str, str], dict[str, MemoryBreakdown]]:
    found, unknown = record.facts()
    return found, unknown, {breakdown.of: breakdown for breakdown in found["memory"]}


class TestPeaks:
    def test_training_s_is_the_higher_of_warm_up_and_the_timed_steps(self) -> None:
        done = [
            phase("load", 900), phase("warm-up", 500), phase("train", 400), phase("evaluate", 800),
            phase("inference", 300), phase("memory", 950),
        ]  # fmt: skip
        found, unknown, _ = facts(MemoryRecord(CPU, MadeUp(*done)))
        assert (found["peak_train_bytes"], found["peak_inference_bytes"]) == (500, 300)
        assert unknown == {}

    def test_on_cuda_they_are_the_allocator_s(self) -> None:
        assert MemoryRecord(CUDA, MadeUp(phase("train", 500, 700, on_cuda=True))).peak_bytes("train") == 500

    def test_a_phase_whose_peak_is_unknown_makes_the_whole_unknown(self) -> None:
        record = MemoryRecord(CPU, MadeUp(phase("warm-up", None), phase("train", 400), phase("inference", 300)))
        found, unknown, _ = facts(record)
        assert "peak_train_bytes" not in found
        assert unknown == {"peak_train_bytes": "this kernel does not restart the peak resident set"}

    def test_what_did_not_happen_has_none(self) -> None:
        found, unknown, _ = facts(MemoryRecord(CPU, MadeUp(phase("inference", 300))))
        assert "peak_train_bytes" not in found
        assert unknown == {"peak_train_bytes": "nothing is trained"}
        _, unknown, _ = facts(MemoryRecord(CPU, MadeUp(phase("load", 300))))
        assert unknown == {
            "peak_train_bytes": "nothing is trained", "peak_inference_bytes": "inference did not take place"
        }  # fmt: skip


class TestBreakdown:
    def test_of_a_process(self) -> None:
        record = MemoryRecord(CPU, MadeUp(phase("train", 1000)))
        record._process_bytes = 700
        record.held("train", HELD)
        _, _, breakdowns = facts(record)
        assert breakdowns["train"] == MemoryBreakdown(
            of="train", weights_bytes=100, gradients_bytes=20, optimizer_state_bytes=40, activations_bytes=30,
            workspace_bytes=5, allocator_slack_bytes=None, cuda_context_bytes=None, process_bytes=700,
            unattributed_bytes=105, peak_bytes=1000,
        )  # fmt: skip

    def test_of_a_gpu(self) -> None:
        record = MemoryRecord(CUDA, MadeUp(phase("train", 200, 260, on_cuda=True)))
        record._context_bytes = 500
        record.held("train", HELD)
        _, _, breakdowns = facts(record)
        breakdown = breakdowns["train"]
        assert (breakdown.allocator_slack_bytes, breakdown.cuda_context_bytes) == (60, 500)
        assert (breakdown.process_bytes, breakdown.unattributed_bytes) == (None, 5)
        assert breakdown.peak_bytes == 760

    @given(
        on_cuda=st.booleans(),
        held=st.dictionaries(st.sampled_from(sorted(HELD)), st.integers(0, 10**9)),
        amounts=st.tuples(*[st.integers(0, 10**10)] * 4),
    )
    def test_its_parts_add_up_to_the_peak(
        self, on_cuda: bool, held: dict[Kind, int], amounts: tuple[int, int, int, int]
    ) -> None:
        peak, slack, process, context = amounts
        done = phase("inference", peak, peak + slack if on_cuda else None, on_cuda)
        record = MemoryRecord(CUDA if on_cuda else CPU, MadeUp(done))
        record._process_bytes, record._context_bytes = process, context if on_cuda else None
        record.held("inference", held)
        (breakdown,) = record.facts()[0]["memory"]
        assert parts(breakdown) == breakdown.peak_bytes

    def test_there_is_none_of_what_was_not_watched(self) -> None:
        record = MemoryRecord(CPU, MadeUp(phase("train", 1000), phase("inference", None)))
        record.held("inference", HELD)
        assert record.facts()[0]["memory"] == ()


class TestLoad:
    def test_weights_of_known_size_are_found(self, tmp_path: Path) -> None:
        """256 MiB of them, and nothing else: what is left over is below 1 %."""
        if not restart_peaks(CPU):
            pytest.skip(f"this kernel refuses {CLEAR_REFS}")
        phases = Phases(CPU, tmp_path / "progress.json", Marks(tmp_path / "marks"))
        record = MemoryRecord(CPU, phases)
        with phases.timed("load"):
            record.start()
            record.loaded(nn.Embedding.from_pretrained(torch.ones(65536, 1024)))
        _, _, breakdowns = facts(record)
        breakdown = breakdowns["load"]
        assert breakdown.weights_bytes == 256 * MIB
        assert abs(breakdown.unattributed_bytes) < 0.01 * 256 * MIB
        assert parts(breakdown) == breakdown.peak_bytes

    def test_weights_that_are_in_the_host_s_memory_are_no_part_of_a_gpu_s_peak(self) -> None:
        """An encoder is moved when it is adapted; its parts would add up to less than nothing."""
        record = MemoryRecord(CUDA, MadeUp(phase("load", 0, 0, on_cuda=True)))
        record.loaded(nn.Linear(10, 10))
        found, unknown, _ = facts(record)
        assert found["memory"] == ()
        assert unknown["memory.load"] == "the weights are in host memory while they are loaded"


class TestContext:
    """What CUDA takes beside the allocator: read before CUDA begins and once all of it is in use."""

    @staticmethod
    def told(
        before: GpuUse | None, now: GpuUse, monkeypatch: pytest.MonkeyPatch, reserved: int = 700
    ) -> tuple[int | None, str]:
        monkeypatch.setattr("torch.accelerator.memory_reserved", lambda device: reserved)
        phases = MadeUp(phase("train", 600, 700, on_cuda=True))
        ids = None if now.process_ids is None else tuple(now.process_ids)
        phases.nvml = NvmlDevice(Driver(used=now.used_bytes, process_ids=ids), "GPU-1")
        record = MemoryRecord(CUDA, phases, {} if before is None else {"GPU-1": before})
        record.held("train", HELD)
        record.read_context()
        _, unknown, breakdowns = facts(record)
        assert parts(breakdowns["train"]) == breakdowns["train"].peak_bytes
        return breakdowns["train"].cuda_context_bytes, unknown.get("memory.cuda_context_bytes", "")

    @pytest.mark.parametrize("others", [(), (8, 9)])
    def test_is_what_came_with_this_process(self, others: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        before = GpuUse(100, frozenset(others))
        assert self.told(before, GpuUse(1100, frozenset({1, *others})), monkeypatch) == (300, "")

    @pytest.mark.parametrize(
        ("before", "now", "why"),
        [
            (GpuUse(100, frozenset()), GpuUse(1100, frozenset({1, 2})), "another process started or ended on the GPU"),
            (GpuUse(100, frozenset({2})), GpuUse(1100, frozenset({1})), "another process started or ended on the GPU"),
            (GpuUse(100, frozenset()), GpuUse(1100, frozenset()), "does not show the processes"),
            (GpuUse(100, frozenset()), GpuUse(1100, None), "does not show the processes"),
            (GpuUse(100, None), GpuUse(1100, frozenset({1})), "does not show the processes"),
            (GpuUse(None, frozenset()), GpuUse(1100, frozenset({1})), "before CUDA was initialised"),
            (GpuUse(100, frozenset()), GpuUse(None, frozenset({1})), "before CUDA was initialised"),
            (None, GpuUse(1100, frozenset({1})), "before CUDA was initialised"),
            (GpuUse(600, frozenset({2})), GpuUse(1100, frozenset({1, 2})), "other processes freed memory"),
        ],
    )
    def test_is_unknown_with_a_reason(
        self, before: GpuUse | None, now: GpuUse, why: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        context, said = self.told(before, now, monkeypatch)
        assert context is None
        assert why in said

    def test_is_unknown_without_nvml(self) -> None:
        record = MemoryRecord(CUDA, MadeUp(phase("train", 600, 700, on_cuda=True)))
        record.read_context()
        assert facts(record)[1]["memory.cuda_context_bytes"] == "the driver does not answer by NVML"

    def test_a_cpu_has_none(self) -> None:
        record = MemoryRecord(CPU, MadeUp(phase("train", 600)))
        record.read_context()
        assert "memory.cuda_context_bytes" not in facts(record)[1]


def test_the_workspaces_of_both_threads_are_a_part_of_every_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autograd computes in a thread of its own, which keeps a second one; neither is let go."""
    allocated = iter((1000, 1030, 1030, 1060))
    monkeypatch.setattr("torch.accelerator.memory_allocated", lambda device: next(allocated))
    done = [phase(name, 255, 255, on_cuda=True) for name in ("load", "train", "inference")]
    record = MemoryRecord(CUDA, MadeUp(*done))
    for _ in range(2):
        with record.library_workspace():
            pass
    for moment in ("load", "train", "inference"):
        record.held(moment, HELD)
    _, _, breakdowns = facts(record)
    assert {name: breakdown.workspace_bytes for name, breakdown in breakdowns.items()} == {
        "load": 5, "train": 65, "inference": 65
    }  # fmt: skip
    assert breakdowns["train"].unattributed_bytes == 0
