"""Live bytes of tensor storages, tracked at every allocation by an operator."""

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.record.memory_breakdown import Kind

OPAQUE = torch._mkldnn  # type: ignore[attr-defined]


class AllocationTracker(TorchDispatchMode):
    """Tracks the bytes of live storages by kind, and their peak.

    It sees what operators request, so it also works on fake tensors, which hold no memory. It cannot see allocations
    inside an operator; ``inside`` supplies them.

    Attributes:
        live: current bytes by kind.
        peak: bytes by kind when their sum was highest since ``restart_peak``.
        on_operator: called at every operator with the bytes that are live while it runs; None: not called.
    """

    def __init__(self, block_bytes: int = 1, inside: Callable[..., int] = lambda *_: 0) -> None:
        """Start without storages.

        Args:
            block_bytes: granularity of allocations; CUDA's allocator hands out 512-byte blocks.
            inside: function of an operator and its arguments that gives the bytes it holds while it runs.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self.live: Counter[Kind] = Counter()
        self.peak: dict[Kind, int] = {}
        self.on_operator: Callable[[int], None] | None = None
        self._peak_bytes = 0
        self._live_bytes = 0
        self._block_bytes = block_bytes
        self._inside = inside
        self._kind: Kind = "workspace"
        self._sizes: dict[int, tuple[weakref.ref[Any], int, Kind]] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        """Run the operator and count its outputs."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._add(leaf, self._kind)
        inside = self._inside(func, args)
        if self.on_operator is not None:
            self.on_operator(self._live_bytes + inside)
        if self._live_bytes + inside > self._peak_bytes:
            self._peak_bytes = self._live_bytes + inside
            self.peak = {**self.live, "workspace": self.live["workspace"] + inside}
        return result

    def restart_peak(self) -> None:
        """Restart the peak from the current bytes."""
        self._peak_bytes = self._live_bytes
        self.peak = dict(self.live)

    def hold(self, tensors: Iterable[Tensor], kind: Kind) -> None:
        """Count tensors that exist already, or change the kind of counted ones."""
        for tensor in tensors:
            key = id(tensor if tensor.layout is OPAQUE else tensor.untyped_storage())
            if key in self._sizes:
                reference, size, before = self._sizes[key]
                self._sizes[key] = (reference, size, kind)
                self.live[before] -= size
                self.live[kind] += size
            else:
                self._add(tensor, kind)

    @contextmanager
    def making(self, kind: Kind) -> Iterator[None]:
        """Count allocations inside the block as this kind."""
        before, self._kind = self._kind, kind
        try:
            yield
        finally:
            self._kind = before

    def _add(self, tensor: Tensor, kind: Kind) -> None:
        opaque = tensor.layout is OPAQUE  # oneDNN's layout has no accessible storage
        storage = tensor if opaque else tensor.untyped_storage()
        key = id(storage)
        if key in self._sizes:
            return
        held = tensor.numel() * tensor.element_size() if opaque else tensor.untyped_storage().nbytes()
        size = -(-held // self._block_bytes) * self._block_bytes
        self._sizes[key] = (weakref.ref(storage, partial(self._remove, key)), size, kind)
        self.live[kind] += size
        self._live_bytes += size

    def _remove(self, key: int, reference: object) -> None:
        del reference
        _, size, kind = self._sizes.pop(key)
        self.live[kind] -= size
        self._live_bytes -= size
