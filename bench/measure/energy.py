"""Energy in joules, from the counters of the device that computes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.measure.nvml import NvmlDevice

POWERCAP = Path("/sys/class/powercap")
#: Packages of a CPU as the kernel's RAPL driver names them (Documentation/power/powercap); parts of a package have two
#: numbers, e.g. intel-rapl:0:0, and would count twice.
PACKAGES = "intel-rapl:[0-9]*"


@dataclass(slots=True)
class EnergyMeter:
    """Joules since ``start``.

    Attributes:
        why_not: the reason where no counter can be read; empty otherwise.
    """

    read: Callable[[], list[float]]
    wraps_at: list[float]
    why_not: str = ""

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
        domains = sorted(path for path in powercap.glob(PACKAGES) if path.name.count(":") == 1)
        if not domains:
            return cls(list, [], "this machine shows no RAPL counters")
        try:
            wraps_at = [_microjoules(path / "max_energy_range_uj") for path in domains]
            for path in domains:
                _microjoules(path / "energy_uj")
        except (OSError, ValueError) as error:
            return cls(list, [], f"the RAPL counters cannot be read: {getattr(error, 'strerror', None) or error}")
        return cls(lambda: [_microjoules(path / "energy_uj") for path in domains], wraps_at)

    def now(self) -> list[float]:
        """Counters as they stand, to be handed to ``since``."""
        try:
            return self.read()
        except (OSError, ValueError, RuntimeError):
            return []

    def since(self, before: list[float]) -> float | None:
        """Joules since the counters stood so, each having wrapped round once at most; None where they are unknown."""
        after = self.now()
        if not before or len(before) != len(after):
            return None
        pairs = zip(before, after, self.wraps_at, strict=True)
        return sum(late - early if late >= early else late - early + wrap for early, late, wrap in pairs)


def _microjoules(path: Path) -> float:
    return int(path.read_text(encoding="ascii")) / 1e6
