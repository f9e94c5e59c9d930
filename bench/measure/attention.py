"""Which attention kernels a pass really ran, seen operator by operator."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

#: How PyTorch's operators of fused attention begin; what follows names the kernel, and with it the device.
FUSED = "_scaled_dot_product_"
#: Kernels by the names that ``torch.nn.attention.SDPBackend`` gives them.
NAMES = {
    "flash_attention": "flash",
    "flash_attention_for_cpu": "flash",
    "efficient_attention": "efficient",
    "cudnn_attention": "cudnn",
    "fused_attention_overrideable": "overrideable",
}


class AttentionKernels:
    """Notes the kernels of ``scaled_dot_product_attention``."""

    def __init__(self) -> None:
        """Start with none seen."""
        self.seen: set[str] = set()
        self.fused_calls = 0

    @property
    def names(self) -> frozenset[str]:
        """Kernels that ran: flash, efficient, cudnn, overrideable, or math where PyTorch took attention apart.

        A model that never called for it has computed attention by operators of its own, which is named eager.
        """
        return frozenset(self.seen) or frozenset({"eager"})

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Note what runs inside."""
        with _Operators(self), _Calls(self):
            yield


class _Operators(TorchDispatchMode):
    """Sees the fused operators, in a backward pass too."""

    def __init__(self, kernels: AttentionKernels) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kernels = kernels

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        name = str(func.overloadpacket.__name__)
        if name.startswith(FUSED) and not name.endswith("_backward"):
            kernel = name.removeprefix(FUSED)
            self._kernels.seen.add(NAMES.get(kernel, kernel))
            self._kernels.fused_calls += 1
        return func(*args, **(kwargs or {}))


class _Calls(TorchFunctionMode):
    """Sees the calls for attention: one that ran no fused operator was computed by plain ones."""

    def __init__(self, kernels: AttentionKernels) -> None:
        super().__init__()
        self._kernels = kernels

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        before = self._kernels.fused_calls
        result = func(*args, **(kwargs or {}))
        if func is torch.nn.functional.scaled_dot_product_attention and self._kernels.fused_calls == before:
            self._kernels.seen.add("math")
        return result
