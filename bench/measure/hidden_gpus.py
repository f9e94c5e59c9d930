"""Hide GPUs from libraries whose import would start CUDA for work on the CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

#: Variables that CUDA and ROCm read when they start; an empty value hides all GPUs.
SHOWN = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


@contextmanager
def gpus_hidden() -> Iterator[None]:
    """Hide all GPUs from this process and its children in the block.

    A process that has started CUDA cannot be forked into one that uses it, and a CUDA context takes GPU memory.
    """
    # torch then counts GPUs by NVML at each query, and not once for all by the driver.
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
