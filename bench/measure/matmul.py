"""How fast this device multiplies matrices, measured here and now: what a use of it can be held against."""

from dataclasses import dataclass

import torch

from bench.clocks import monotonic_seconds
from bench.measure.clock import synchronize
from bench.record.out_of_memory import memory_of_error

#: Rows and columns of the matrices: large enough that a device is busy, small enough to be done soon.
CPU_SIZE, CUDA_SIZE = 2048, 8192
MEASURED_SECONDS, LEAST_RUNS = 0.2, 5


@dataclass(frozen=True, slots=True)
class MatmulRate:
    """What was measured.

    Attributes:
        flops_per_second: of the fastest of several square matmuls; a multiply-add is 2. None where it is unknown.
        why_not: the reason then; else empty.
    """

    flops_per_second: float | None
    why_not: str = ""


def matmul_rate(device: torch.device, dtype: torch.dtype) -> MatmulRate:
    """Measure it, where the device has room for the matrices; smaller ones would be another measure.

    Args:
        device: to compute on.
        dtype: of the factors.
    """
    size = CPU_SIZE if device.type == "cpu" else CUDA_SIZE
    if device.type != "cpu":
        # Two factors and a product; or, while the second factor is made, both and its values in fp32.
        needed = size**2 * (2 * dtype.itemsize + max(dtype.itemsize, torch.float32.itemsize))
        free, _ = torch.accelerator.get_memory_info(device)
        if free < needed:
            return MatmulRate(None, f"a matmul of {size} rows needs {_gb(needed)} GB, and {_gb(free)} GB are free")
    try:
        return MatmulRate(_flops_per_second(device, dtype, size))
    except Exception as error:  # others may have taken what was free; any other error is the cell's
        if memory_of_error(error) is None:
            raise
        return MatmulRate(None, f"a matmul of {size} rows ran out of memory: {str(error).splitlines()[0]}")


def small(device: torch.device, dtype: torch.dtype, backward: bool = False) -> None:
    """Two small matmuls, with a bias and without, and their backward pass, which a thread of autograd's own hands over.

    The library of matmuls keeps a workspace for each thread that has called it.
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
    with torch.random.fork_rng([] if device.type == "cpu" else [device]):  # the cell's own draws stay as they were
        # Sums of a column and a row: as varied as a GPU's power needs it, and drawn at once.
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
