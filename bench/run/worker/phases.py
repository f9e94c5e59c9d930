"""The phases of a cell, each with its own time, peaks, energy and conditions."""

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
#: Maximum sample period of NVML's GPU utilisation.
NVML_SAMPLE_SECONDS = 1.0
#: Growth of the process in a nested phase above which its freed memory is released.
GROWN_BYTES = 8_000_000


class Phases:
    """Opens and closes phases, one at a time, and reports the open one to the runner.

    Attributes:
        current: the open phase, or the last one.
        done: closed phases, in order.
        conditions: conditions during each closed phase.
        carried_bytes: excess of each closed phase's peak over the memory in use at its begin; None if unknown.
        energy: energy meter of the device.
    """

    def __init__(self, device: torch.device, progress: Path, marks: Marks) -> None:
        """Start without phases.

        Args:
            device: device of the cell.
            progress: path of the file that the runner reads.
            marks: files by which the runner checks this process's clock.
        """
        self.current: PhaseName = "load"
        self.done: list[Phase] = []
        self.conditions: list[Conditions] = []
        self.carried_bytes: list[int | None] = []
        self.nvml = NvmlDevice.of(device)
        self.energy = EnergyMeter.of(device, self.nvml)
        self._device, self._progress, self._marks = device, progress, marks
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
        """Open and close a phase; an exception leaves it open, so that ``finish`` can close it."""
        self.start(name)
        yield
        self.finish()

    def start(self, name: PhaseName, release: bool = True) -> None:
        """Open a phase: release freed memory, restart peaks, read counters, then start the clock."""
        self.current = name
        self.tell(0, 0, force=True)
        if release:
            gc.collect()
            release_freed_memory(self._device)
        self._begin()

    @contextmanager
    def aside(self, name: PhaseName) -> Iterator[None]:
        """Run another phase inside the open one, which then continues; an exception leaves the inner one open.

        Time, peaks, energy and conditions of the two are separate. Each is one entry of ``done``, with its parts added
        up. Freed memory is kept for the outer phase, unless on a CPU the inner one needed more, which would raise the
        outer phase's peak.
        """
        interrupted = self.current
        self._end(name)
        self.current = name
        self._begin(joins=True)
        self._started = self._ended  # reading the counters counts as time of the inner phase
        yield
        self.finish()
        if self._grew(interrupted):
            release_freed_memory(self._device)
        self.current = interrupted
        self._begin(joins=True)

    def _grew(self, interrupted: PhaseName) -> bool:
        """Whether the current phase, which has ended, needed clearly more host memory than the interrupted one."""
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
        """Close the open phase, if any."""
        if self._open:
            self._end(None)

    def _end(self, then: PhaseName | None) -> None:
        """Close the open phase; ``then`` is the phase that follows at once, if any."""
        self._open = False
        peaks = memory.read_peaks(self._device, self._host_restarted)
        self._ended = monotonic_seconds()
        self._marks.enter(then)
        self._sample_busy()
        seconds = self._ended - self._started
        # In a shorter phase the driver's sample would include the time before it.
        busy = self._busy[self.current] if seconds >= NVML_SAMPLE_SECONDS else []
        assert self._conditions_before is not None, "start has read them"
        conditions = Conditions.now(self._device, self.nvml).since(self._conditions_before)
        phase = Phase(
            name=self.current, seconds=seconds, energy_joules=self.energy.since(self._energy_before),
            peak_host_bytes=peaks.host_bytes, peak_cuda_allocated_bytes=peaks.cuda_allocated_bytes,
            peak_cuda_reserved_bytes=peaks.cuda_reserved_bytes,
            gpu_busy_fraction=sum(busy) / len(busy) if busy else None,
        )  # fmt: skip
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
        """Store the driver's GPU utilisation of its last sample period, which is at most a second."""
        busy = None if self.nvml is None else self.nvml.busy_fraction()
        if busy is not None:
            self._busy[self.current].append(busy)

    def named(self, *names: PhaseName) -> list[Phase]:
        """The closed phases with these names."""
        return [phase for phase in self.done if phase.name in names]

    def conditions_of(self, *names: PhaseName) -> Conditions | None:
        """The conditions of all phases with these names; None if there was none."""
        found = [grown for phase, grown in zip(self.done, self.conditions, strict=True) if phase.name in names]
        return sum(found[1:], found[0]) if found else None

    def carried_of(self, *names: PhaseName) -> int | None:
        """The largest ``carried_bytes`` of phases with these names; None if there are none or one is unknown."""
        found = [carried for phase, carried in zip(self.done, self.carried_bytes, strict=True) if phase.name in names]
        known = [carried for carried in found if carried is not None]
        return max(known) if known and len(known) == len(found) else None

    def tell(self, done: int, of: int, force: bool = False) -> None:
        """Report the progress to the runner, at most every half second."""
        now = monotonic_seconds()
        if force or now - self._progress_written >= PROGRESS_SECONDS:
            self._progress_written = now
            self.energy.look()
            if not force:  # at the start of a phase the sample would be of the phase before
                self._sample_busy()
            # Not atomic: a reader of an incomplete line keeps its last value.
            self._progress.write_text(json.dumps({"phase": self.current, "done": done, "of": of}), encoding="utf-8")


def _joined(earlier: Phase, later: Phase) -> Phase:
    """One phase made of two parts."""
    energy = (earlier.energy_joules, later.energy_joules)
    return Phase(
        name=earlier.name,
        seconds=earlier.seconds + later.seconds,
        energy_joules=None if energy[0] is None or energy[1] is None else energy[0] + energy[1],
        peak_host_bytes=_highest(earlier.peak_host_bytes, later.peak_host_bytes),
        peak_cuda_allocated_bytes=_highest(earlier.peak_cuda_allocated_bytes, later.peak_cuda_allocated_bytes),
        peak_cuda_reserved_bytes=_highest(earlier.peak_cuda_reserved_bytes, later.peak_cuda_reserved_bytes),
        gpu_busy_fraction=later.gpu_busy_fraction,  # its samples include those of all parts
    )


def _highest(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
