"""The phases of a cell's work: each with its own clock, peaks, energy and conditions."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from bench.clocks import monotonic_seconds
from bench.measure import memory
from bench.measure.conditions import Conditions
from bench.measure.energy import EnergyMeter
from bench.measure.malloc import release_freed_memory
from bench.measure.nvml import NvmlDevice
from bench.record.record import Phase, PhaseName
from bench.run.marks import Marks

PROGRESS_SECONDS = 0.5
#: What NVML's figure of how busy a GPU is may reach back.
NVML_SAMPLE_SECONDS = 1.0
#: By which a phase amid another one must have grown the process before its memory is handed back: less is no peak.
GROWN_BYTES = 8_000_000


class Phases:
    """Opens and closes phases, one at a time, and tells the runner which is open.

    Attributes:
        current: the one that is open, or was last.
        done: those that are closed, in order.
        conditions: what else went on in each of them.
        carried_bytes: how far the peak of each stood above what was in use when it began; None where unknown.
        energy: the meter of the device.
    """

    def __init__(self, device: torch.device, progress: Path, marks: Marks) -> None:
        """Start with none.

        Args:
            device: that computes.
            progress: file that the runner reads.
            marks: by which the runner holds its clock against this one.
        """
        self.current: PhaseName = "load"
        self.done: list[Phase] = []
        self.conditions: list[Conditions] = []
        self.carried_bytes: list[int | None] = []
        self.nvml = NvmlDevice.of(device)
        self.energy = EnergyMeter.of(device, self.nvml)
        self._device = device
        self._progress = progress
        self._marks = marks
        self._progress_written = 0.0
        self._open = False
        self._joins = False
        self._ended = 0.0
        self._host_restarted = False
        self._carried_bytes: int | None = None
        self._started = 0.0
        self._energy_before: list[float] = []
        self._conditions_before: Conditions | None = None
        self._busy: dict[PhaseName, list[float]] = {}

    @contextmanager
    def timed(self, name: PhaseName) -> Iterator[None]:
        """One phase; an error leaves it open, so that ``finish`` can still close it."""
        self.start(name)
        yield
        self.finish()

    def start(self, name: PhaseName, release: bool = True) -> None:
        """Begin a phase: free memory is released, peaks are restarted, counters read, then the clock."""
        self.current = name
        self.tell(0, 0, force=True)
        if release:
            gc.collect()
            release_freed_memory(self._device)
        self._begin()

    @contextmanager
    def aside(self, name: PhaseName) -> Iterator[None]:
        """Another phase amid the open one, which then goes on; an error leaves the other one open.

        Neither's clock, peaks, energy and conditions hold anything of the other. However often this happens, each of
        the two is one entry of ``done``, its parts added up; and what was freed is kept, as the open one needs it,
        unless on a CPU it is more than that one has ever needed, whose peak would hold it then.
        """
        interrupted = self.current
        self._end(name)
        self.current = name
        self._begin(joins=True)
        self._started = self._ended  # what the harness reads between the two is time of the other one
        yield
        self.finish()
        if self._grew(interrupted):
            release_freed_memory(self._device)
        self.current = interrupted
        self._begin(joins=True)

    def _grew(self, interrupted: PhaseName) -> bool:
        """Whether the phase that ended, the current one, has taken clearly more of the host than the one before it."""
        own, other = (self.named(name)[-1].peak_host_bytes for name in (self.current, interrupted))
        if self._device.type != "cpu" or own is None or other is None:
            return False
        return own > other + GROWN_BYTES

    def _begin(self, joins: bool = False) -> None:
        self._joins = joins
        if not joins or self.current not in self._busy:
            self._busy[self.current] = []
        self._host_restarted = memory.restart_peaks(self._device)
        self._carried_bytes = memory.carried_bytes(self._device, self._host_restarted)
        self._open = True
        self._energy_before = self.energy.now()
        self._conditions_before = Conditions.now(self._device, self.nvml)
        self._marks.enter(self.current)
        self._started = monotonic_seconds()

    def finish(self) -> None:
        """End the phase that is open, if one is."""
        if self._open:
            self._end(None)

    def _end(self, then: PhaseName | None) -> None:
        """End the open phase; ``then`` is the one that what follows at once belongs to."""
        self._open = False
        peaks = memory.read_peaks(self._device, self._host_restarted)
        self._ended = monotonic_seconds()
        self._marks.enter(then)
        self._sample_busy()
        seconds = self._ended - self._started
        # In a shorter phase the driver's sample would be of what was before, too.
        busy = self._busy[self.current] if seconds >= NVML_SAMPLE_SECONDS else []
        assert self._conditions_before is not None, "start has read them"
        conditions = Conditions.now(self._device, self.nvml).since(self._conditions_before)
        phase = Phase(
            name=self.current,
            seconds=seconds,
            energy_joules=self.energy.since(self._energy_before),
            peak_host_bytes=peaks.host_bytes,
            peak_cuda_allocated_bytes=peaks.cuda_allocated_bytes,
            peak_cuda_reserved_bytes=peaks.cuda_reserved_bytes,
            gpu_busy_fraction=sum(busy) / len(busy) if busy else None,
        )
        before = [index for index, done in enumerate(self.done) if done.name == phase.name] if self._joins else []
        if not before:
            self.done.append(phase)
            self.conditions.append(conditions)
            self.carried_bytes.append(self._carried_bytes)
            return
        index = before[-1]
        self.done[index] = _joined(self.done[index], phase)
        self.conditions[index] += conditions
        self.carried_bytes[index] = _highest(self.carried_bytes[index], self._carried_bytes)

    def _sample_busy(self) -> None:
        """Note for which share of its last sample period, a second at most, the driver saw the GPU compute."""
        busy = None if self.nvml is None else self.nvml.busy_fraction()
        if busy is not None:
            self._busy[self.current].append(busy)

    def named(self, *names: PhaseName) -> list[Phase]:
        """The closed phases of these names."""
        return [phase for phase in self.done if phase.name in names]

    def conditions_of(self, *names: PhaseName) -> Conditions | None:
        """What else went on in the phases of these names together; None where there was none."""
        found = [grown for phase, grown in zip(self.done, self.conditions, strict=True) if phase.name in names]
        return sum(found[1:], found[0]) if found else None

    def carried_of(self, *names: PhaseName) -> int | None:
        """The most that the peak of a phase of these names began with; None where there was none, or one is unknown."""
        found = [carried for phase, carried in zip(self.done, self.carried_bytes, strict=True) if phase.name in names]
        known = [carried for carried in found if carried is not None]
        return max(known) if known and len(known) == len(found) else None

    def tell(self, done: int, of: int, force: bool = False) -> None:
        """Tell the runner where this worker is, at most every half second."""
        now = monotonic_seconds()
        if force or now - self._progress_written >= PROGRESS_SECONDS:
            self._progress_written = now
            self.energy.look()
            if not force:  # else the driver's sample would be of the phase before
                self._sample_busy()
            # Not synced and not moved: a reader that meets half a line keeps what it knew.
            self._progress.write_text(json.dumps({"phase": self.current, "done": done, "of": of}), encoding="utf-8")


def _joined(earlier: Phase, later: Phase) -> Phase:
    """Two parts of one phase as one."""
    energy = (earlier.energy_joules, later.energy_joules)
    return Phase(
        name=earlier.name,
        seconds=earlier.seconds + later.seconds,
        energy_joules=None if energy[0] is None or energy[1] is None else energy[0] + energy[1],
        peak_host_bytes=_highest(earlier.peak_host_bytes, later.peak_host_bytes),
        peak_cuda_allocated_bytes=_highest(earlier.peak_cuda_allocated_bytes, later.peak_cuda_allocated_bytes),
        peak_cuda_reserved_bytes=_highest(earlier.peak_cuda_reserved_bytes, later.peak_cuda_reserved_bytes),
        gpu_busy_fraction=later.gpu_busy_fraction,  # whose samples are those of all parts
    )


def _highest(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
