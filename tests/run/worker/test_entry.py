"""What becomes of an error that a cell raises, and of the settings of a worker's process."""

import pytest
import torch
from transformers import masking_utils

from bench.errors import UnsupportedError
from bench.run.worker import entry
from tests.waits import META, put_back


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), ("oom", "gpu")),
        (torch.AcceleratorError("CUDA error: out of memory"), ("oom", "gpu")),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), ("oom", "gpu")),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), ("oom", "host")),
        (MemoryError(), ("oom", "host")),
        (UnsupportedError("no CUDA error: out of memory"), ("unsupported", None)),
        (RuntimeError("CUDA error: device-side assert triggered"), ("error", None)),
    ],
    ids=str,
)
def test_an_error_is_a_status_and_the_memory_that_ran_out(error: Exception, status: tuple[str, str | None]) -> None:
    assert entry.status_of(error) == status


def test_a_worker_does_without_what_would_be_timed_beside_the_work() -> None:
    """Attention that builds a graph for each length, and masks that are looked at."""
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        with put_back():
            entry.prepare_process("stock")
            assert not torch.backends.cuda.cudnn_sdp_enabled()
            assert masking_utils.find_packed_sequence_indices(torch.zeros(2, 3, device=META)) is None
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)
