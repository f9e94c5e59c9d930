"""Peak memory of a phase: the host's resident set and the accelerator's allocator."""

from dataclasses import dataclass
from pathlib import Path

import torch

from bench.measure.clock import synchronize
from bench.measure.host_limits import status_bytes

CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): writing 5 to clear_refs sets the peak resident set back to the current one


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peaks since the last restart, in bytes; None where this machine does not report one.

    Attributes:
        host_bytes: VmHWM of this process.
        cuda_allocated_bytes: memory allocated by tensors on an accelerator of any kind.
        cuda_reserved_bytes: memory held by its caching allocator.
    """

    host_bytes: int | None
    cuda_allocated_bytes: int | None
    cuda_reserved_bytes: int | None


def restart_peaks(device: torch.device) -> bool:
    """Reset every peak to the memory in use.

    Returns:
        False if the kernel refuses to reset the host's peak.
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
    """Difference between the reported peak and the memory in use, which is close to 0 after a restart.

    None on an accelerator, whose allocator sets the peak to the memory in use, so the difference has no meaning.
    """
    if device.type != "cpu":
        return None
    sizes = status_bytes() if host_restarted else {}
    return sizes["VmHWM"] - sizes["VmRSS"] if {"VmHWM", "VmRSS"} <= sizes.keys() else None


def read_peaks(device: torch.device, host_restarted: bool) -> Peaks:
    """Peaks since ``restart_peaks``, which returned ``host_restarted``."""
    host = status_bytes().get("VmHWM") if host_restarted else None
    if device.type == "cpu":
        return Peaks(host, None, None)
    synchronize(device)
    accelerator = torch.accelerator
    return Peaks(host, accelerator.max_memory_allocated(device), accelerator.max_memory_reserved(device))
