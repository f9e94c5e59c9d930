"""The memory fields of a record: the peaks of training and inference, and their breakdowns."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import psutil
import torch
from torch import nn

from bench.measure.malloc import release_freed_memory
from bench.measure.nvml import GpuUse
from bench.record.memory_breakdown import MemoryBreakdown, Moment
from bench.record.record import PhaseName
from bench.run.worker.facts import Facts
from bench.run.worker.phases import Phases
from bench.train.memory import Held, tracker_of

PHASES: dict[Moment, tuple[PhaseName, ...]] = {
    "load": ("load",), "train": ("warm-up", "train"), "inference": ("inference",),
}  # fmt: skip


PeakField = Literal["peak_cuda_allocated_bytes", "peak_cuda_reserved_bytes", "peak_host_bytes"]


class MemoryRecord:
    """Combines measured peaks with the bytes of tensors at these peaks."""

    def __init__(self, device: torch.device, phases: Phases, before_cuda: Mapping[str, GpuUse] | None = None) -> None:
        """Start with nothing held.

        Args:
            device: device of the cell.
            phases: phases with their peaks.
            before_cuda: use of each GPU before this process initialised CUDA, by its unique id.
        """
        self._on_cuda, self._phases = device.type == "cuda", phases
        self._device = device
        self._before_cuda = before_cuda or {}
        self._process_bytes = 0
        self._context_bytes: int | None = None
        self._why_no_context = "the work ended before it was read"
        self._library_bytes = 0
        self._held: dict[Moment, Held] = {}
        self._why_not: dict[str, str] = {}

    def start(self) -> None:
        """Measure the process before weights are loaded: interpreter, libraries and texts."""
        gc.collect()
        release_freed_memory(self._device)
        self._process_bytes = psutil.Process().memory_info().rss

    def loaded(self, model: nn.Module) -> None:
        """Record the tensors right after the model is loaded.

        An encoder stays in host memory until it is adapted, so its weights are not in a GPU's peak of this phase.
        """
        places = {parameter.device.type for parameter in model.parameters()}
        if places <= {self._device.type}:
            self._held["load"] = dict(tracker_of(model, self._device.type).live)
        else:
            self._why_not["memory.load"] = "the weights are in host memory while they are loaded"

    def read_context(self) -> None:
        """Measure the GPU memory of CUDA and its libraries outside of the allocator, once all of them are in use."""
        if not self._on_cuda:
            return
        nvml = self._phases.nvml
        if nvml is None:
            self._why_no_context = "the driver does not answer by NVML"
            return
        before, now = self._before_cuda.get(nvml.uuid or ""), nvml.use()
        self._why_no_context = _why_no_context(before, now)
        if not self._why_no_context and before is not None:
            grown = (now.used_bytes or 0) - (before.used_bytes or 0)
            self._context_bytes = grown - torch.accelerator.memory_reserved(self._device)
            if self._context_bytes < 0:
                self._context_bytes, self._why_no_context = None, "other processes freed memory meanwhile"

    @contextmanager
    def library_workspace(self) -> Iterator[None]:
        """Measure cuBLAS's workspace, which the first matmul of a thread inside the block allocates on a GPU.

        It stays allocated until the process ends, so the workspaces of several threads add up in all later phases.
        """
        before = torch.accelerator.memory_allocated(self._device) if self._on_cuda else 0
        yield
        if self._on_cuda:
            self._library_bytes += max(0, torch.accelerator.memory_allocated(self._device) - before)

    def held(self, moment: Moment, held: Held) -> None:
        """Set the bytes of tensors at the peak of a moment."""
        self._held[moment] = held

    def facts(self) -> tuple[Facts, dict[str, str]]:
        """Fields of the record, and reasons for null ones."""
        found = (self._breakdown(moment) for moment in PHASES)
        facts: Facts = {"memory": tuple(breakdown for breakdown in found if breakdown is not None)}
        unknown: dict[str, str] = {}
        if (peak := self.peak_bytes("train")) is not None:
            facts["peak_train_bytes"] = peak
        else:
            unknown["peak_train_bytes"] = self._why_no_peak("train", "nothing is trained")
        if (peak := self.peak_bytes("inference")) is not None:
            facts["peak_inference_bytes"] = peak
        else:
            unknown["peak_inference_bytes"] = self._why_no_peak("inference", "inference did not take place")
        if self._on_cuda and self._context_bytes is None:
            unknown["memory.cuda_context_bytes"] = self._why_no_context
        return facts, unknown | self._why_not

    def _why_no_peak(self, moment: Moment, absent: str) -> str:
        return "this kernel does not restart the peak resident set" if self._phases.named(*PHASES[moment]) else absent

    def peak_bytes(self, moment: Moment) -> int | None:
        """The reported peak: allocated bytes of CUDA, or VmHWM of the process."""
        return self._highest(moment, "peak_cuda_allocated_bytes" if self._on_cuda else "peak_host_bytes")

    def _highest(self, moment: Moment, field: PeakField) -> int | None:
        values: list[int | None] = [getattr(phase, field) for phase in self._phases.named(*PHASES[moment])]
        known = [value for value in values if value is not None]
        return max(known) if known and len(known) == len(values) else None

    def _breakdown(self, moment: Moment) -> MemoryBreakdown | None:
        """The breakdown of a peak into tensors and the rest of the process or device."""
        held, peak = self._held.get(moment), self.peak_bytes(moment)
        if held is None or peak is None:
            return None
        reserved = self._highest(moment, "peak_cuda_reserved_bytes")
        slack = None if reserved is None else reserved - peak
        process = None if self._on_cuda else self._process_bytes
        library = 0 if moment == "load" else self._library_bytes
        tensors = MemoryBreakdown.of_tensors(moment, held | {"workspace": held.get("workspace", 0) + library})
        return tensors.model_copy(
            update={
                "allocator_slack_bytes": slack, "cuda_context_bytes": self._context_bytes, "process_bytes": process,
                "unattributed_bytes": peak - (process or 0) - tensors.peak_bytes,
                "peak_bytes": peak + (slack or 0) + (self._context_bytes or 0),
            }
        )  # fmt: skip


def _why_no_context(before: GpuUse | None, now: GpuUse) -> str:
    """Why the increase in GPU memory cannot be attributed to this process; empty if it can."""
    if before is None or before.used_bytes is None or now.used_bytes is None:
        return "the driver did not report the GPU's used memory before CUDA was initialised"
    if before.process_ids is None or not now.process_ids:
        return "the driver does not show the processes on the GPU"
    # In a container the driver shows the host's process ids, so this process is identified as the one new process.
    if len(now.process_ids - before.process_ids) != 1 or before.process_ids - now.process_ids:
        return "another process started or ended on the GPU meanwhile"
    return ""
