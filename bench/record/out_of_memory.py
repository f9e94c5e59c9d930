"""Whose memory has run out, the GPU's or the host's, by the words of an error or of a log."""

import re
from typing import Literal

from bench.text.message import said

Memory = Literal["gpu", "host"]

#: What libraries say when a device has no memory left: torch's allocators and the errors of a runtime that it passes
#: on, the math libraries, Triton, bitsandbytes, and the drivers themselves.
GPU_WORDS = (
    r"\b(?:CUDA|HIP|XPU|MPS)\b[^\n]{0,40}\bout of memory\b",
    r"\bTriton Error \[(?:CUDA|HIP)\]: out of memory",
    r"\bError out of memory at line \d+ in file",
    r"OutOfMemoryError\b",
    r"\b(?:cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|hipErrorOutOfMemory)\b",
    r"\b(?:CU(?:BLAS|DNN|SPARSE|SOLVER|FFT)|HIP(?:BLAS|BLASLT|SPARSE|SOLVER|FFT))_STATUS_ALLOC_FAILED\b",
    r"\bCUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED\b",
    r"\bmiopenStatusAllocFailed\b",
    r"\brocblas_status_memory_error\b",
    r"\bNVML_ERROR_MEMORY\b",
    r"\bNVMLError_Memory\b",
)
#: What is said where the host has nothing left: by PyTorch's allocator, the kernel, C++, Rust, Python and NumPy.
HOST_WORDS = (
    r"DefaultCPUAllocator",
    r"not enough memory",
    r"Cannot allocate memory",
    r"std::bad_alloc",
    r"\bmemory allocation of \d+ bytes failed",
    r"MemoryError\b",
    r"\bCUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED\b",
)
_WORDS = re.compile(f"(?P<gpu>{'|'.join(GPU_WORDS)})|(?P<host>{'|'.join(HOST_WORDS)})")


def memory_of_error(error: BaseException) -> Memory | None:
    """The memory for want of which an error was raised; None where it is another error.

    PyTorch raises types of its own for its GPU allocator, and a RuntimeError for all others.
    """
    kinds = " ".join(kind.__name__ for kind in type(error).__mro__)
    return memory_that_ran_out(f"{kinds}: {said(error)}")


def memory_that_ran_out(text: str) -> Memory | None:
    """The memory of which a text says that there is none left; the last such words count, as in a log.

    Args:
        text: an error's type and message, or the end of a log.

    Returns:
        None where the text says of no memory that it has run out.
    """
    found: Memory | None = None
    for match in _WORDS.finditer(text):
        found = "gpu" if match["gpu"] is not None else "host"
    return found
