"""What a record says of memory: the peaks of training and inference, and what each peak is made of."""

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
    """Puts peaks and what was held at them together."""

    def __init__(self, device: torch.device, phases: Phases, before_cuda: Mapping[str, GpuUse] | None = None) -> None:
        """Start with nothing held.

        Args:
            device: that computes.
            phases: whose peaks are reported.
            before_cuda: who used each GPU before this process did, by its unique id.
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
        """The weights are about to come: what the process holds now is interpreter, libraries and texts."""
        gc.collect()
        release_freed_memory(self._device)
        self._process_bytes = psutil.Process().memory_info().rss

    def loaded(self, model: nn.Module) -> None:
        """The model is loaded, and nothing else is held.

        An encoder is in the host's memory until it is adapted: its weights are no part of a GPU's peak in this phase.
        """
        places = {parameter.device.type for parameter in model.parameters()}
        if places <= {self._device.type}:
            self._held["load"] = dict(tracker_of(model, self._device.type).live)
        else:
            self._why_not["memory.load"] = "the weights are in the host's memory while they are loaded"

    def read_context(self) -> None:
        """Tell what CUDA and its libraries take of the GPU beside the allocator, once all of them are in use."""
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
        """What the first matmul of a thread leaves allocated on a GPU is cuBLAS's workspace, which no operator shows.

        It stays for as long as the process, so the workspaces of several threads add up, in every phase that follows.
        """
        before = torch.accelerator.memory_allocated(self._device) if self._on_cuda else 0
        yield
        if self._on_cuda:
            self._library_bytes += max(0, torch.accelerator.memory_allocated(self._device) - before)

    def held(self, moment: Moment, held: Held) -> None:
        """What tensors held at the peak of a moment."""
        self._held[moment] = held

    def facts(self) -> tuple[Facts, dict[str, str]]:
        """Fields of the record, and why others are null."""
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
        """The reported peak: what CUDA's allocator gave out, or VmHWM of the process."""
        return self._highest(moment, "peak_cuda_allocated_bytes" if self._on_cuda else "peak_host_bytes")

    def _highest(self, moment: Moment, field: PeakField) -> int | None:
        values: list[int | None] = [getattr(phase, field) for phase in self._phases.named(*PHASES[moment])]
        known = [value for value in values if value is not None]
        return max(known) if known and len(known) == len(values) else None

    def _breakdown(self, moment: Moment) -> MemoryBreakdown | None:
        """What tensors held at the peak, and what the process or the device holds beside them."""
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
                "allocator_slack_bytes": slack,
                "cuda_context_bytes": self._context_bytes,
                "process_bytes": process,
                "unattributed_bytes": peak - (process or 0) - tensors.peak_bytes,
                "peak_bytes": peak + (slack or 0) + (self._context_bytes or 0),
            }
        )


def _why_no_context(before: GpuUse | None, now: GpuUse) -> str:
    """Why what came to a GPU between two moments is not this process's alone; empty where it is."""
    if before is None or before.used_bytes is None or now.used_bytes is None:
        return "the driver did not tell what of the GPU was in use before CUDA began"
    if before.process_ids is None or not now.process_ids:
        return "the driver does not show the processes on the GPU"
    # In a container the driver shows the host's process ids, so this process is known by being the one that came.
    if len(now.process_ids - before.process_ids) != 1 or before.process_ids - now.process_ids:
        return "another process came to the GPU or left it meanwhile"
    return ""
