"""How fast this device multiplies matrices, measured here and now: what a use of it can be held against."""

import time

import torch

#: Rows and columns of the matrices: large enough that a device is busy, small enough to be done soon.
CPU_SIZE, CUDA_SIZE = 2048, 8192
MEASURED_SECONDS, LEAST_RUNS = 0.2, 5


def matmul_flops_per_second(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations in a second of the fastest of several square matmuls; a multiply-add is 2.

    Args:
        device: to compute on.
        dtype: of the factors.
    """
    size = CUDA_SIZE if device.type == "cuda" else CPU_SIZE
    with torch.random.fork_rng([device] if device.type == "cuda" else []):  # the cell's own draws stay as they were
        # Sums of a column and a row: as varied as a GPU's power needs it, and drawn at once.
        first, second = (
            (torch.randn(size, 1, device=device) + torch.randn(1, size, device=device)).to(dtype) for _ in range(2)
        )
    fastest, started, runs = float("inf"), time.perf_counter(), 0
    with torch.inference_mode():
        _seconds(first, second)  # kernels are chosen in the first call
        while runs < LEAST_RUNS or time.perf_counter() - started < MEASURED_SECONDS:
            fastest = min(fastest, _seconds(first, second))
            runs += 1
    return 2 * size**3 / fastest


def _seconds(first: torch.Tensor, second: torch.Tensor) -> float:
    on_cuda = first.is_cuda
    if on_cuda:
        torch.cuda.synchronize()
    started = time.perf_counter()
    torch.mm(first, second)
    if on_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started
