"""Whose memory ran out, in the words of libraries, drivers and logs."""

import pytest
import torch

from bench.record.out_of_memory import memory_of_error, memory_that_ran_out

#: What CUDA says in words of torch: the first line, and one of those that follow.
OF_CUDA = "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in the documentation of CUDA types."
ON_THE_GPU = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB free."),
    torch.OutOfMemoryError("Allocation failed"),
    torch.AcceleratorError(OF_CUDA),
    RuntimeError(OF_CUDA),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("CUDA driver error: out of memory"),
    RuntimeError("Triton Error [CUDA]: out of memory"),
    RuntimeError("CUDA_ERROR_OUT_OF_MEMORY"),
    RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("HIP error: out of memory"),
    RuntimeError("HIP error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`"),
    RuntimeError("XPU out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.92 GB)"),
]
ON_THE_HOST = [
    MemoryError(), type("_ArrayMemoryError", (MemoryError,), {})("Unable to allocate 8.00 GiB for an array"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 40 bytes"),
    OSError(12, "Cannot allocate memory"), RuntimeError("std::bad_alloc"),
]  # fmt: skip
NO_WANT_OF_MEMORY = [
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ValueError("the memory layout is wrong"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
]


@pytest.mark.parametrize("error", ON_THE_GPU, ids=str)
def test_a_gpu_that_has_nothing_left(error: Exception) -> None:
    assert memory_of_error(error) == "gpu"


@pytest.mark.parametrize("error", ON_THE_HOST, ids=repr)
def test_a_host_that_has_nothing_left(error: Exception) -> None:
    assert memory_of_error(error) == "host"


@pytest.mark.parametrize("error", NO_WANT_OF_MEMORY, ids=str)
def test_another_error(error: Exception) -> None:
    assert memory_of_error(error) is None


def test_of_a_log_the_last_words_count() -> None:
    """A library may have gone on after the first."""
    gpu, host = "torch.OutOfMemoryError: CUDA out of memory.", "numpy._core._exceptions._ArrayMemoryError: Unable"
    assert memory_that_ran_out(f"{gpu}\nretrying on the CPU\n{host}") == "host"
    assert memory_that_ran_out(f"{host}\n{gpu}") == "gpu"
    assert memory_that_ran_out("Error out of memory at line 380 in file /src/csrc/pythonInterface.cpp") == "gpu"
    assert memory_that_ran_out("") is None
