"""Tensors of the made-up GPU: they lie in the host's memory, are computed there, and say that they are on cuda."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode

from tests.gpu.card import Gpu

CPU = torch.device("cpu")
#: Functions for whose answer the host waits until the device is done.
WAITS = {
    "item", "tolist", "__bool__", "__int__", "__float__", "__index__", "__complex__", "nonzero", "argwhere",
    "masked_select", "equal", "unique", "_local_scalar_dense", "bincount", "is_nonzero", "__contains__",
}  # fmt: skip
#: Functions that take tensors of both memories.
ACROSS = {
    "to", "copy_", "__set__", "__setitem__", "__getitem__", "set_", "__deepcopy__", "_has_compatible_shallow_copy_type",
}  # fmt: skip
#: Functions that look at a device itself.
OF_DEVICES = {"_parse_to", "get_device_module", "_get_device_module"}
#: Functions that make a tensor of numbers which Python holds.
FROM_NUMBERS = {"tensor", "as_tensor", "asarray"}
MATMULS = {"mm", "matmul", "linear", "bmm", "addmm", "baddbmm", "__matmul__", "_grouped_mm", "grouped_mm"}


class MadeUpDevice(TorchFunctionMode):
    """Sends what is asked of ``cuda`` to the host, and keeps account of which tensor lies where.

    A tensor lies where its function was told to put it, else with its arguments; one that torch made unseen lies on
    the host, and on the GPU where it is met in a backward pass.
    """

    def __init__(self, gpu: Gpu) -> None:
        super().__init__()
        self.gpu = gpu
        self._in_backward = False

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        words = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if func is torch.device or name in OF_DEVICES:
            return func(*args, **words)
        if name == "__get__":
            return self._property(func, args[0])
        if name in SPECIAL and (not args or isinstance(args[0], Tensor)) and (not args or _real(args[0])):
            return SPECIAL[name](self, func, args, words)
        return self._call(func, name, args, words)

    def on_gpu(self, tensor: Tensor) -> bool:
        """Where a tensor lies, settled where it was not known."""
        known = self.gpu.where(tensor)
        if known is None:
            known = self._in_backward
            self.gpu.put(tensor, known)
        return known

    def grouped(self, group: Callable[..., Any], tensors: Any, with_indices: bool = False) -> Any:
        """Lists of tensors by device and type; torch finds the device past this mode."""
        found = group(tensors, with_indices)
        there = any(self.on_gpu(tensor) for tensor in _tensors(tensors) if _real(tensor))
        return {(self.gpu.device if there else device, dtype): lists for (device, dtype), lists in found.items()}

    def _property(self, func: Any, tensor: Tensor) -> Any:
        asked = func.__self__
        if not _real(tensor):
            return func(tensor)
        if asked is torch.Tensor.device:
            return self.gpu.device if self.on_gpu(tensor) else CPU
        if asked is torch.Tensor.is_cuda:
            return self.on_gpu(tensor)
        if asked is torch.Tensor.is_cpu:
            return not self.on_gpu(tensor)
        result = func(tensor)
        if isinstance(result, Tensor) and _real(result) and self.gpu.where(result) is None:
            self.gpu.put(result, self.on_gpu(tensor))
        return result

    def _call(self, func: Callable[..., Any], name: str, args: Sequence[Any], words: dict[str, Any]) -> Any:
        tensors = [tensor for value in (*args, *words.values()) for tensor in _tensors(value) if _real(tensor)]
        wanted = self._wanted(args, words)
        if name == "to" and wanted is None and len(tensors) > 1:
            wanted = self.on_gpu(tensors[1])
        on_gpu = [self.on_gpu(tensor) for tensor in tensors]
        self._refuse_mixtures(name, tensors, on_gpu)
        placed = any(on_gpu) if wanted is None else wanted
        if placed:
            self.gpu.begin()
            self.gpu.work()
        if name in WAITS and any(on_gpu):
            self.gpu.note("wait", name)
            self.gpu.wait()
        if name in ("__getitem__", "__setitem__") and any(on_gpu) and _picks_by_mask(args[1]):
            self.gpu.note("wait", "index by a mask")
        result = func(*map(_on_host, args), **{key: _on_host(value) for key, value in words.items()})
        if name in MATMULS and placed:
            self.gpu.memory.take_workspace("backward" if self._in_backward else "forward", self.gpu.workspace_bytes())
        if placed and name in FROM_NUMBERS and not any(on_gpu):
            self._note_copy("host to device", False, False)
        return self._place(result, placed, wanted)

    def _place(self, result: Any, placed: bool, wanted: bool | None) -> Any:
        """Say where the results lie; one that was to change its place becomes a copy."""
        if not isinstance(result, Tensor):
            for tensor in _tensors(result):
                self._place(tensor, placed, None)
            return result
        if not _real(result):
            return result
        before = self.gpu.where(result)
        if before is not None and wanted is not None and before != wanted:
            result = result.clone()
        self.gpu.put(result, placed)
        return result

    def _wanted(self, args: Sequence[Any], words: Mapping[str, Any]) -> bool | None:
        """Whether a function is told to put its result on the GPU; None where it is not told.

        Raises:
            NotImplementedError: on another GPU, where nothing is made up.
        """
        for value in (words.get("device"), *args):
            kind = value.type if isinstance(value, torch.device) else value
            if isinstance(kind, str) and kind.partition(":")[0] in ("cuda", "cpu"):
                if kind.startswith("cuda") and not self.gpu.is_meant(value):
                    raise NotImplementedError(f"a tensor is put on {value}, and the made-up GPU is {self.gpu.device}")
                return kind.startswith("cuda")
        return None

    def _refuse_mixtures(self, name: str, tensors: list[Tensor], on_gpu: list[bool]) -> None:
        if name in ACROSS or name.endswith(("_as", "_like")) or not any(on_gpu) or all(on_gpu):
            return
        if any(tensor.ndim for tensor, there in zip(tensors, on_gpu, strict=True) if not there):
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{self.gpu.device} and cpu! (in {name})"
            )

    def _note_copy(self, direction: str, pinned: bool, non_blocking: bool) -> None:
        memory = "pinned" if pinned else "pageable"
        self.gpu.note("copy", f"{direction}, {memory}, {'non-blocking' if non_blocking else 'blocking'}")
        if not non_blocking:
            self.gpu.note("wait", f"copy {direction}")
            self.gpu.wait()

    def _is_pinned(self, tensor: Tensor) -> bool:
        return id(tensor.untyped_storage()) in self.gpu.pinned

    def _copy_(self, func: Any, args: Sequence[Any], words: dict[str, Any]) -> Any:
        into, source = args[0], args[1] if len(args) > 1 else words["src"]
        if isinstance(source, Tensor) and _real(source):
            there, from_there = self.on_gpu(into), self.on_gpu(source)
            if there != from_there:
                non_blocking = bool(words.get("non_blocking", args[2] if len(args) > 2 else False))
                pinned = self._is_pinned(into if from_there else source)
                self._note_copy("host to device" if there else "device to host", pinned, non_blocking)
        return func(*args, **words)

    def _to(self, func: Any, args: Sequence[Any], words: dict[str, Any]) -> Any:
        flags = [value for value in args[1:] if isinstance(value, bool)]
        words = dict(zip(("non_blocking", "copy"), flags, strict=False)) | words
        args = [value for value in args if not isinstance(value, bool)]
        wanted = self._wanted(args, words)
        if wanted is None and len(args) > 1 and isinstance(args[1], Tensor):
            wanted = self.on_gpu(args[1])
        if wanted is not None and wanted != self.on_gpu(args[0]):
            direction = "host to device" if wanted else "device to host"
            self._note_copy(direction, self._is_pinned(args[0]), bool(words.get("non_blocking", False)))
        return self._call(func, "to", args, words)

    def _cpu(self, func: Any, args: Sequence[Any], words: dict[str, Any]) -> Any:
        del func, words
        return self._to(torch.Tensor.to, [args[0], CPU], {})

    def _cuda(self, func: Any, args: Sequence[Any], words: dict[str, Any]) -> Any:
        del func
        non_blocking = bool(words.get("non_blocking", False))
        return self._to(torch.Tensor.to, [args[0], self.gpu.device], {"non_blocking": non_blocking})

    def _numpy(self, func: Any, args: Sequence[Any], words: dict[str, Any]) -> Any:
        if self.on_gpu(args[0]):
            raise TypeError("can't convert cuda device type tensor to numpy. Use Tensor.cpu() to copy it to the host")
        return func(*args, **words)

    def _pin_memory(self, func: Any, args: Sequence[Any], words: dict[str, Any]) -> Any:
        del func, words
        if self.on_gpu(args[0]):
            raise RuntimeError("cannot pin 'torch.cuda.LongTensor' only dense CPU tensors can be pinned")
        self.gpu.begin()
        pinned = args[0].clone()
        self.gpu.put(pinned, False)
        self.gpu.pinned.add(id(pinned.untyped_storage()))
        return pinned

    def _is_pinned_(self, func: Any, args: Sequence[Any], words: dict[str, Any]) -> bool:
        del func, words
        return self._is_pinned(args[0])

    def _get_device(self, func: Any, args: Sequence[Any], words: dict[str, Any]) -> int:
        del func, words
        return self.gpu.card.index if self.on_gpu(args[0]) else -1

    def _backward(self, func: Any, args: Sequence[Any], words: dict[str, Any]) -> None:
        """With this mode on inside, for what Python computes in a backward pass."""
        del func
        there = self.on_gpu(args[0])
        before, self._in_backward = self._in_backward, there
        if there:
            self.gpu.work()
        try:
            with self:
                gradient = words.pop("gradient", None)
                torch.autograd.backward(args[0], *(args[1:] or (gradient,)), **words)
        finally:
            self._in_backward = before
        if there:
            self.gpu.memory.take_workspace("backward", self.gpu.workspace_bytes())


SPECIAL: dict[str, Callable[..., Any]] = {
    "copy_": MadeUpDevice._copy_, "to": MadeUpDevice._to, "cpu": MadeUpDevice._cpu, "cuda": MadeUpDevice._cuda,
    "numpy": MadeUpDevice._numpy, "__array__": MadeUpDevice._numpy, "pin_memory": MadeUpDevice._pin_memory,
    "is_pinned": MadeUpDevice._is_pinned_, "get_device": MadeUpDevice._get_device, "backward": MadeUpDevice._backward,
}  # fmt: skip


def _tensors(value: Any) -> Iterator[Tensor]:
    """All of an argument or a result."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)


def _real(tensor: Tensor) -> bool:
    """Whether a tensor has values in memory: none of fake mode, of the meta device, or of a layout without storage."""
    with torch._C.DisableTorchFunctionSubclass():
        return not (isinstance(tensor, FakeTensor) or tensor.is_meta or tensor.layout is not torch.strided)


def _on_host(value: Any) -> Any:
    """What is asked of the GPU, asked of the host."""
    if isinstance(value, torch.device) and value.type == "cuda":
        return CPU
    if isinstance(value, str) and (value == "cuda" or value.startswith("cuda:")):
        return "cpu"
    return value


def _picks_by_mask(index: Any) -> bool:
    return any(part.dtype == torch.bool for part in _tensors(index))
