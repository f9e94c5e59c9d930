"""Peak memory of a stretch of work: the host's resident set and the allocator of an accelerator."""

from dataclasses import dataclass
from pathlib import Path

import torch

from bench.measure.clock import synchronize

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESIDENT = ("VmHWM:", "VmRSS:")
RESET_PEAK = "5"  # proc(5): writing 5 to clear_refs sets the peak resident set back to the current one


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peaks since the last restart, in bytes; None where this machine does not tell.

    Attributes:
        host_bytes: VmHWM of this process.
        cuda_allocated_bytes: allocated by tensors on an accelerator of whatever kind.
        cuda_reserved_bytes: likewise held by the caching allocator.
    """

    host_bytes: int | None
    cuda_allocated_bytes: int | None
    cuda_reserved_bytes: int | None


def restart_peaks(device: torch.device) -> bool:
    """Set every peak back to what is in use now.

    Returns:
        False where the kernel refuses to restart the host's peak.
    """
    synchronize(device)
    if device.type != "cpu":
        torch.accelerator.reset_peak_memory_stats(device)
    try:
        CLEAR_REFS.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def carried_bytes(device: torch.device, host_restarted: bool) -> int | None:
    """How far the peak that is reported stands above what is in use: next to nothing after a restart.

    None on an accelerator, whose allocator sets the one to the other, so that the difference would tell nothing.
    """
    if device.type != "cpu":
        return None
    known = _host_bytes() if host_restarted else {}
    return known["VmHWM"] - known["VmRSS"] if len(known) == 2 else None


def read_peaks(device: torch.device, host_restarted: bool) -> Peaks:
    """Read the peaks since ``restart_peaks``, whose answer is ``host_restarted``."""
    host = _host_bytes().get("VmHWM") if host_restarted else None
    if device.type == "cpu":
        return Peaks(host, None, None)
    synchronize(device)
    accelerator = torch.accelerator
    return Peaks(host, accelerator.max_memory_allocated(device), accelerator.max_memory_reserved(device))


def _host_bytes() -> dict[str, int]:
    """Peak and current resident set of this process, as they stood at one moment; empty where there is no /proc."""
    try:
        lines = [line.split() for line in STATUS.read_text().splitlines()]
    except OSError:
        return {}
    # The kernel says kB and means KiB.
    return {words[0][:-1]: int(words[1]) * 1024 for words in lines if words and words[0] in RESIDENT}
