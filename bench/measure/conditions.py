"""Conditions during a measurement: other load, pauses, swapping, throttling and allocator retries."""

import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psutil
import torch

from bench.clocks import monotonic_seconds, process_cpu_seconds, suspended_seconds, thread_cpu_seconds
from bench.measure.nvml import NvmlDevice

CPU_FOLDER = Path("/sys/devices/system/cpu")
#: Linux: nanoseconds that the calling thread has run and has waited for a core, and its number of time slices.
OWN_SCHEDULE = Path("/proc/thread-self/schedstat")
THROTTLE_COUNTS = "cpu[0-9]*/thermal_throttle/core_throttle_count"


@dataclass(frozen=True, slots=True)
class Conditions:
    """Values of counters that only grow, or their growth; None where this machine does not report one.

    Attributes:
        seconds: time of the monotonic clock.
        own_cpu_seconds: CPU time of this process.
        cpu_seconds: CPU time of all processes on the cores that this process may use.
        stolen_cpu_seconds: time that the host gave to other virtual machines while this one wanted to compute.
        swapped_bytes: bytes that this machine read from swap.
        major_faults: number of page faults of this process that waited for a disk.
        cpu_throttled: number of times that heat lowered a core's clock.
        gpu_throttled_seconds: time for which heat lowered the GPU's clocks.
        gpu_power_capped_seconds: time for which the power limit lowered the GPU's clocks.
        allocator_retries: number of times that torch's accelerator allocator freed its cache to serve a request.
        idle_seconds: time for which this thread neither ran nor waited for a core. In a computation on a CPU, a
            debugger, a stop signal or a frozen container causes it. None on an accelerator, which a thread waits for.
        suspended_seconds: time for which the machine slept, which ``seconds`` does not include.
    """

    seconds: float
    own_cpu_seconds: float
    cpu_seconds: float | None
    stolen_cpu_seconds: float | None
    swapped_bytes: int | None
    major_faults: int
    cpu_throttled: int | None
    gpu_throttled_seconds: float | None
    gpu_power_capped_seconds: float | None
    allocator_retries: int | None
    idle_seconds: float | None = None
    suspended_seconds: float | None = None

    @classmethod
    def now(cls, device: torch.device, nvml: NvmlDevice | None) -> "Conditions":
        """Current values of the counters."""
        busy, stolen = _cores()
        return cls(
            seconds=monotonic_seconds(), own_cpu_seconds=process_cpu_seconds(), cpu_seconds=busy,
            stolen_cpu_seconds=stolen, swapped_bytes=_swapped_bytes(),
            major_faults=resource.getrusage(resource.RUSAGE_SELF).ru_majflt, cpu_throttled=_cpu_throttled(CPU_FOLDER),
            gpu_throttled_seconds=None if nvml is None else nvml.throttled_seconds(),
            gpu_power_capped_seconds=None if nvml is None else nvml.power_capped_seconds(),
            allocator_retries=_allocator_retries(device),
            idle_seconds=_idle_seconds() if device.type == "cpu" else None, suspended_seconds=suspended_seconds(),
        )  # fmt: skip

    def since(self, before: "Conditions") -> "Conditions":
        """Growth of each counter since ``before``."""
        grown: dict[str, Any] = {}
        for field in fields(self):
            early, late = getattr(before, field.name), getattr(self, field.name)
            grown[field.name] = None if early is None or late is None else late - early
        return Conditions(**grown)

    def __add__(self, other: "Conditions") -> "Conditions":
        """Sum of the growth in two intervals."""
        pairs = {field.name: (getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}
        summed: dict[str, Any] = {name: None if None in pair else sum(pair) for name, pair in pairs.items()}
        return Conditions(**summed)

    @property
    def others_fraction(self) -> float | None:
        """Share of this process's cores that other processes used, from 0 to 1."""
        others = None if self.cpu_seconds is None else max(0.0, self.cpu_seconds - self.own_cpu_seconds)
        return self._fraction(others, len(_own_cores()))

    @property
    def power_capped_fraction(self) -> float | None:
        """Share of the time for which the power limit lowered the GPU's clocks, from 0 to 1."""
        return self._fraction(self.gpu_power_capped_seconds)

    @property
    def stolen_fraction(self) -> float | None:
        """Share of this process's cores that the host gave to other virtual machines, from 0 to 1."""
        return self._fraction(self.stolen_cpu_seconds, len(_own_cores()))

    def _fraction(self, part_seconds: float | None, cores: int = 1) -> float | None:
        return None if part_seconds is None or self.seconds <= 0 else part_seconds / (self.seconds * cores)


def _own_cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _idle_seconds() -> float | None:
    """Idle time of this thread since an arbitrary start."""
    try:
        waited_ns = int(OWN_SCHEDULE.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):  # not Linux, or a kernel without these statistics
        return None
    return monotonic_seconds() - thread_cpu_seconds() - waited_ns / 1e9


def _cores() -> tuple[float | None, float | None]:
    """Busy and stolen seconds of the cores that this process may use."""
    times = psutil.cpu_times(percpu=True)
    own = _own_cores()
    if not own or max(own) >= len(times):
        return None, None
    of_own: list[Mapping[str, float]] = [times[core]._asdict() for core in own]
    busy = sum(core.get(name, 0.0) for core in of_own for name in ("user", "nice", "system", "irq", "softirq"))
    stolen = [core["steal"] for core in of_own if "steal" in core]
    return busy, sum(stolen) if stolen else None


def _swapped_bytes() -> int | None:
    try:
        return int(psutil.swap_memory().sin)
    except (OSError, RuntimeError, AttributeError):  # no /proc/vmstat
        return None


def _cpu_throttled(folder: Path) -> int | None:
    counts = []
    for path in folder.glob(THROTTLE_COUNTS):
        try:
            counts.append(int(path.read_text(encoding="ascii")))
        except (OSError, ValueError):
            return None
    return sum(counts) if counts else None


def _allocator_retries(device: torch.device) -> int | None:
    if device.type == "cpu":
        return None
    found = torch.accelerator.memory_stats(device)  # none before the first allocation
    return int(found["num_alloc_retries"]) if found else 0
