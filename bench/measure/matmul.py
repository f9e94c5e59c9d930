"""Measured matmul speed of this device, the reference for its utilisation."""

from dataclasses import dataclass

import torch

from bench.clocks import monotonic_seconds
from bench.measure.clock import synchronize
from bench.record.out_of_memory import memory_of_error

#: Rows and columns of the matrices: large enough to keep a device busy, small enough to finish soon.
CPU_SIZE, CUDA_SIZE = 2048, 8192
MEASURED_SECONDS, LEAST_RUNS = 0.2, 2


@dataclass(frozen=True, slots=True)
class MatmulRate:
    """Measured matmul speed.

    Attributes:
        flops_per_second: speed of the fastest of several square matmuls; a multiply-add is 2. None if unknown.
        why_not: reason why it is unknown; else empty.
    """

    flops_per_second: float | None
    why_not: str = ""


def matmul_rate(device: torch.device, dtype: torch.dtype) -> MatmulRate:
    """Measure the speed if the device has room for the matrices; smaller ones would give another quantity.

    Args:
        device: measured device.
        dtype: type of the factors.
    """
    size = CPU_SIZE if device.type == "cpu" else CUDA_SIZE
    if device.type != "cpu":
        # Two factors and a product; or, while the second factor is created, both and its values in fp32.
        needed = size**2 * (2 * dtype.itemsize + max(dtype.itemsize, torch.float32.itemsize))
        free, _ = torch.accelerator.get_memory_info(device)
        if free < needed:
            return MatmulRate(None, f"a matmul of {size} rows needs {_gb(needed)} GB, and {_gb(free)} GB are free")
    try:
        return MatmulRate(_flops_per_second(device, dtype, size))
    except Exception as error:  # another process may have taken the free memory; other errors belong to the cell
        if memory_of_error(error) is None:
            raise
        return MatmulRate(None, f"a matmul of {size} rows ran out of memory: {str(error).splitlines()[0]}")


def small(device: torch.device, dtype: torch.dtype, backward: bool = False) -> None:
    """Run two small matmuls, with and without a bias, and optionally their backward pass, in autograd's own thread.

    The matmul library allocates a workspace for each thread that calls it.
    """
    size = 64
    rows = torch.ones(size, size, device=device, dtype=dtype, requires_grad=backward)
    weight = torch.ones(size, size, device=device, dtype=dtype, requires_grad=backward)
    bias = torch.ones(size, device=device, dtype=dtype, requires_grad=backward)
    output = torch.nn.functional.linear(rows, weight, bias) @ weight
    if backward:
        output.sum().backward()
    synchronize(device)


def _flops_per_second(device: torch.device, dtype: torch.dtype, size: int) -> float:
    with torch.random.fork_rng([] if device.type == "cpu" else [device]):  # keep the cell's random state
        # Sums of a column and a row: varied enough for a realistic power draw, and fast to draw.
        first, second = (
            (torch.randn(size, 1, device=device) + torch.randn(1, size, device=device)).to(dtype) for _ in range(2)
        )
    fastest, started, runs = float("inf"), monotonic_seconds(), 0
    with torch.inference_mode():
        _seconds(first, second)  # kernels are chosen in the first call
        while runs < LEAST_RUNS or monotonic_seconds() - started < MEASURED_SECONDS:
            fastest = min(fastest, _seconds(first, second))
            runs += 1
    return 2 * size**3 / fastest


def _seconds(first: torch.Tensor, second: torch.Tensor) -> float:
    synchronize(first.device)
    started = monotonic_seconds()
    torch.mm(first, second)
    synchronize(first.device)
    return monotonic_seconds() - started


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f}"
