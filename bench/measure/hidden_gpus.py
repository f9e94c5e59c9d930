"""GPUs out of sight, where a library's import would start CUDA for work that is done without a GPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

#: What CUDA and ROCm read when they start; an empty value shows none.
SHOWN = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


@contextmanager
def gpus_hidden() -> Iterator[None]:
    """No GPU is there for what this process, and those that it starts, do in this block.

    A process that has started CUDA cannot be forked into one that uses it; and a context takes memory of the GPU.
    """
    # torch then counts GPUs by NVML, as often as it is asked, and not by the driver, which would settle it for good.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    before = {name: os.environ.get(name) for name in SHOWN}
    os.environ.update(dict.fromkeys(SHOWN, ""))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
