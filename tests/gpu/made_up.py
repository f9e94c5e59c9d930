"""A GPU that is made up: its tensors lie in the host's memory, and torch and NVML answer as if there were one.

It shows which calls the harness makes, in which order, and what it does with the answers; no measured value of it means
anything. What it refuses, a real one refuses as well. What it does not: kernels that exist on a GPU alone, and the
time and the memory that they take.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from tests.gpu import runtime as answers
from tests.gpu.card import Card, Gpu
from tests.gpu.device import MadeUpDevice
from tests.gpu.driver import Driver
from tests.gpu.runtime import Runtime

#: Imported while there is no GPU, so that they choose their kernels for the CPU, where the tensors are computed.
BEFORE = ("bitsandbytes", "peft")


@contextmanager
def made_up_gpu(card: Card | None = None) -> Iterator[Gpu]:
    """Inside, this process has a GPU, and everything is put back afterwards.

    It holds for the thread that enters it. What asks for a GPU when it is imported has to be imported inside, and
    bitsandbytes before.
    """
    for name in BEFORE:
        importlib.import_module(name)
    gpu = Gpu(card or Card())
    runtime = Runtime()
    runtime.gpu = gpu
    before: list[tuple[Any, str, Any]] = []

    def patch(owner: Any, name: str, value: Any) -> None:
        before.append((owner, name, vars(owner).get(name, MISSING)))
        setattr(owner, name, value)

    modules, setting = sys.modules.get("pynvml", MISSING), os.environ.get("HF_DEACTIVATE_ASYNC_LOAD")
    try:
        answers.install(runtime, patch)
        _install_paging(gpu, patch)
        sys.modules["pynvml"] = Driver(runtime)
        os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"  # threads that load would not see the mode
        mode, group = MadeUpDevice(gpu), torch._C._group_tensors_by_device_and_dtype
        patch(torch._C, "_group_tensors_by_device_and_dtype", partial(mode.grouped, group))
        with mode:
            yield gpu
    finally:
        for owner, name, value in reversed(before):
            delattr(owner, name) if value is MISSING else setattr(owner, name, value)
        _put_back(sys.modules, "pynvml", modules)
        _put_back(os.environ, "HF_DEACTIVATE_ASYNC_LOAD", MISSING if setting is None else setting)


MISSING = object()


def _put_back(where: Any, name: str, value: Any) -> None:
    where.pop(name, None)
    if value is not MISSING:
        where[name] = value


def _install_paging(gpu: Gpu, patch: answers.Patch) -> None:
    """Memory that CUDA pages, which bitsandbytes asks for by way of its library for CUDA."""
    import bitsandbytes.functional as library

    def get_paged(*shape: int, dtype: torch.dtype = torch.float32, device: torch.device = gpu.device) -> torch.Tensor:
        gpu.note("get_paged", shape)
        tensor: Any = torch.zeros(*shape, dtype=dtype, device=device)
        tensor.is_paged, tensor.page_deviceid = True, gpu.card.index
        return tensor  # type: ignore[no-any-return]

    patch(library, "get_paged", get_paged)
    patch(library, "prefetch_tensor", lambda tensor, to_cpu=False: gpu.note("prefetch", to_cpu))
