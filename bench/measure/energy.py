"""Energy in joules, from the counters of the device."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from bench.measure.nvml import NvmlDevice

POWERCAP = Path("/sys/class/powercap")
#: CPU power domains as named by the kernel's RAPL driver (Documentation/power/powercap). Parts of a package have two
#: numbers, e.g. intel-rapl:0:0, and psys is the whole platform: either would count a package twice.
DOMAINS, PACKAGE = "intel-rapl:[0-9]*", "package"


@dataclass(slots=True)
class EnergyMeter:
    """Reads energy counters, corrected for wrap-around.

    Attributes:
        read: function that returns all counters, in joules.
        wraps_at: value at which each counter wraps around, in joules.
        why_not: reason why no counter can be read; empty otherwise.
    """

    read: Callable[[], list[float]]
    wraps_at: list[float]
    why_not: str = ""
    _last: list[float] = field(default_factory=list, init=False)
    _wrapped: list[float] = field(default_factory=list, init=False)

    @classmethod
    def of(cls, device: torch.device, nvml: NvmlDevice | None, powercap: Path = POWERCAP) -> "EnergyMeter":
        """Meter of a device: NVML's counter of the GPU, or RAPL's counters of all CPU packages.

        Args:
            device: measured device.
            nvml: the GPU in NVML; None without a GPU or if the driver does not answer.
            powercap: the kernel's folder of power domains.
        """
        if device.type == "cuda":
            if nvml is None or (why := nvml.why_no_energy()):
                return cls(list, [], "the driver does not answer by NVML" if nvml is None else why)
            return cls(lambda: [nvml.energy_joules()], [float("inf")])
        try:
            domains = _packages(powercap)
            wraps_at = [_microjoules(path / "max_energy_range_uj") for path in domains]
            for path in domains:
                _microjoules(path / "energy_uj")
        except (OSError, ValueError) as error:
            return cls(list, [], f"the RAPL counters cannot be read: {getattr(error, 'strerror', None) or error}")
        if not domains:
            return cls(list, [], "this machine shows no RAPL counters")
        return cls(lambda: [_microjoules(path / "energy_uj") for path in domains], wraps_at)

    def now(self) -> list[float]:
        """Current counters, for ``since``; each may wrap around at most once between two calls."""
        try:
            found = self.read()
        except (OSError, ValueError, RuntimeError):
            return []
        self._wrapped = self._wrapped or [0.0] * len(found)
        for index, (early, late) in enumerate(zip(self._last, found, strict=False)):
            if late < early:
                self._wrapped[index] += self.wraps_at[index]
        self._last = found
        return [value + wrapped for value, wrapped in zip(found, self._wrapped, strict=True)]

    def look(self) -> None:
        """Read counters that wrap around: at 200 W those of a CPU do so every 20 minutes."""
        if any(map(math.isfinite, self.wraps_at)):
            self.now()

    def since(self, before: list[float]) -> float | None:
        """Joules since the counters had these values; None if unknown."""
        after = self.now()
        if not before or len(before) != len(after):
            return None
        joules = sum(after) - sum(before)
        return joules if math.isfinite(joules) else None


def _packages(powercap: Path) -> list[Path]:
    packages = []
    for path in sorted(powercap.glob(DOMAINS)):
        if path.name.count(":") == 1 and (path / "name").read_text(encoding="ascii").startswith(PACKAGE):
            packages.append(path)
    return packages


def _microjoules(path: Path) -> float:
    return int(path.read_text(encoding="ascii")) / 1e6
