"""Energy in joules, from the counters of the device that computes."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from bench.measure.nvml import NvmlDevice

POWERCAP = Path("/sys/class/powercap")
#: Domains of a CPU as the kernel's RAPL driver names them (Documentation/power/powercap). Parts of a package have two
#: numbers, e.g. intel-rapl:0:0, and the domain named psys is the whole platform: both would count a package twice.
DOMAINS, PACKAGE = "intel-rapl:[0-9]*", "package"


@dataclass(slots=True)
class EnergyMeter:
    """Joules since ``start``.

    Attributes:
        why_not: the reason where no counter can be read; empty otherwise.
    """

    read: Callable[[], list[float]]
    wraps_at: list[float]
    why_not: str = ""
    _last: list[float] = field(default_factory=list, init=False)
    _turned: list[float] = field(default_factory=list, init=False)

    @classmethod
    def of(cls, device: torch.device, nvml: NvmlDevice | None, powercap: Path = POWERCAP) -> "EnergyMeter":
        """The meter of a device: NVML's counter of the GPU, or RAPL's of all packages of the CPU.

        Args:
            device: that computes.
            nvml: the GPU as its driver knows it; None where there is none, or the driver does not answer.
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
        """Counters as they stand, to be handed to ``since``; one may wrap round once between two calls, and no more."""
        try:
            found = self.read()
        except (OSError, ValueError, RuntimeError):
            return []
        self._turned = self._turned or [0.0] * len(found)
        for index, (early, late) in enumerate(zip(self._last, found, strict=False)):
            if late < early:
                self._turned[index] += self.wraps_at[index]
        self._last = found
        return [value + turned for value, turned in zip(found, self._turned, strict=True)]

    def look(self) -> None:
        """Read a counter that wraps round: at 200 W that of a CPU does so every 20 minutes."""
        if any(map(math.isfinite, self.wraps_at)):
            self.now()

    def since(self, before: list[float]) -> float | None:
        """Joules since the counters stood so; None where they are unknown."""
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
