"""Keep the C allocator from returning memory to the kernel between training steps."""

import ctypes
import sys

import torch

# Parameters of mallopt(3) in glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Allocate large tensors on the heap and never trim it, for the rest of this process.

    By default glibc maps each large block and unmaps it when it is freed, so on a CPU every training step pays a page
    fault for each 4 KiB of every large tensor: 134,000 faults instead of 23,000 in 24 steps of MiniLM at batch 32.

    Returns:
        True if the C library is glibc and accepted both settings.
    """
    libc = _glibc()
    return libc is not None and bool(libc.mallopt(M_MMAP_MAX, 0)) and bool(libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def release_freed_memory(device: torch.device) -> None:
    """Return free memory once, so that a peak restarted now starts from the memory in use."""
    if device.type != "cpu":
        torch.accelerator.empty_cache()
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
