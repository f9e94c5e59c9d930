"""Attention kernels that a pass really ran, observed operator by operator."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

#: Name prefix of PyTorch's fused attention operators; the kernel, and with it the device, follows.
FUSED = "_scaled_dot_product_"
#: Kernel names as in ``torch.nn.attention.SDPBackend``.
NAMES = {
    "flash_attention": "flash", "flash_attention_for_cpu": "flash", "efficient_attention": "efficient",
    "cudnn_attention": "cudnn", "fused_attention_overrideable": "overrideable",
}  # fmt: skip


class AttentionKernels:
    """Records the kernels of ``scaled_dot_product_attention``."""

    def __init__(self) -> None:
        """Start without kernels."""
        self.seen: set[str] = set()
        self.fused_calls = 0

    @property
    def names(self) -> frozenset[str]:
        """Kernels that ran: flash, efficient, cudnn, overrideable, or math if PyTorch decomposed attention.

        A model that never called the function computed attention with its own operators, which is named eager.
        """
        return frozenset(self.seen) or frozenset({"eager"})

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Record the kernels that run in the block."""
        with _Operators(self), _Calls(self):
            yield


class _Operators(TorchDispatchMode):
    """Observes fused operators, also in a backward pass."""

    def __init__(self, kernels: AttentionKernels) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kernels = kernels

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = str(func.overloadpacket.__name__)
        if name.startswith(FUSED) and not name.endswith("_backward"):
            kernel = name.removeprefix(FUSED)
            self._kernels.seen.add(NAMES.get(kernel, kernel))
            self._kernels.fused_calls += 1
        return func(*args, **(kwargs or {}))


class _Calls(TorchFunctionMode):
    """Observes calls of attention: one without a fused operator was decomposed into plain ones."""

    def __init__(self, kernels: AttentionKernels) -> None:
        super().__init__()
        self._kernels = kernels

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        before = self._kernels.fused_calls
        result = func(*args, **(kwargs or {}))
        if func is torch.nn.functional.scaled_dot_product_attention and self._kernels.fused_calls == before:
            self._kernels.seen.add("math")
        return result
