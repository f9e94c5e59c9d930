"""Tell out-of-memory errors of the GPU and of the host apart, by the text of an error or a log."""

import re
from typing import Literal

from bench.text.message import said

Memory = Literal["gpu", "host"]

#: Out-of-memory errors of a GPU: torch's allocators, the CUDA and HIP runtimes, math libraries, Triton, bitsandbytes
#: and drivers.
GPU_WORDS = (
    r"\b(?:CUDA|HIP|XPU|MPS)\b[^\n]{0,40}\bout of memory\b", r"\bTriton Error \[(?:CUDA|HIP)\]: out of memory",
    r"\bError out of memory at line \d+ in file", r"OutOfMemoryError\b",
    r"\b(?:cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|hipErrorOutOfMemory)\b",
    r"\b(?:CU(?:BLAS|DNN|SPARSE|SOLVER|FFT)|HIP(?:BLAS|BLASLT|SPARSE|SOLVER|FFT))_STATUS_ALLOC_FAILED\b",
    r"\bCUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED\b", r"\bmiopenStatusAllocFailed\b",
    r"\brocblas_status_memory_error\b", r"\bNVML_ERROR_MEMORY\b", r"\bNVMLError_Memory\b",
)  # fmt: skip
#: Out-of-memory errors of the host: PyTorch's allocator, the kernel, C++, Rust, Python and NumPy.
HOST_WORDS = (
    r"DefaultCPUAllocator", r"not enough memory", r"Cannot allocate memory", r"std::bad_alloc",
    r"\bmemory allocation of \d+ bytes failed", r"MemoryError\b",
    r"\bCUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED\b",
)  # fmt: skip
_WORDS = re.compile(f"(?P<gpu>{'|'.join(GPU_WORDS)})|(?P<host>{'|'.join(HOST_WORDS)})")


def memory_of_error(error: BaseException) -> Memory | None:
    """The memory that was exhausted when an error was raised; None for other errors.

    PyTorch raises its own types for its GPU allocator, and RuntimeError for everything else.
    """
    kinds = " ".join(kind.__name__ for kind in type(error).__mro__)
    return memory_that_ran_out(f"{kinds}: {said(error)}")


def memory_that_ran_out(text: str) -> Memory | None:
    """The exhausted memory by the last out-of-memory message in a text; None if there is none.

    Args:
        text: an error's type and message, or the end of a log.
    """
    found: Memory | None = None
    for match in _WORDS.finditer(text):
        found = "gpu" if match["gpu"] is not None else "host"
    return found
