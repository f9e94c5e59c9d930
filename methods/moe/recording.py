"""Record which operation of an encoder computes what from what, in one forward pass over a few tokens."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode

from bench.errors import UnsupportedError

#: Number of tokens of the recorded pass; some models pad a text to an even length.
TOKENS = 7
#: What is answered if a model on the meta device looks for padding among ids or in a mask: there is none.
WITHOUT_VALUES = {Tensor.__bool__: True, Tensor.__contains__: False, Tensor.item: True}


@dataclass(eq=False, slots=True)
class Step:
    """One tensor, and the operation that computed it.

    Attributes:
        what: a module without children, a function of PyTorch, or None for an input.
        inputs: steps that computed the tensors of the call.
        arguments: all positional arguments of a function.
        options: its keyword arguments.
        shape: shape of the tensor.
        part: which of the tensors that the operation returned.
        parts: number of these tensors.
        uses: number of operations that read the tensor.
    """

    what: Any
    inputs: tuple["Step", ...]
    shape: torch.Size
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    part: int = 0
    parts: int = 1
    uses: int = 0

    @property
    def name(self) -> str:
        """Name of the function, or of the module's class."""
        return type(self.what).__name__ if isinstance(self.what, nn.Module) else getattr(self.what, "__name__", "")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a module with children that maps one tensor to another."""

    module: nn.Module
    given: Step
    result: Step


class Recording(TorchFunctionMode):
    """The steps of a forward pass; a module without children is one step."""

    def __init__(self) -> None:
        """Start with no steps."""
        super().__init__()
        self.steps: list[Step] = []
        self.calls: list[Call] = []
        self.runs: Counter[nn.Module] = Counter()
        self._step_of: dict[int, Step] = {}
        self._kept: list[Tensor] = []  # so that no other tensor gets the id of one of them
        self._depth = 0  # of calls of modules without children
        self._given: list[Step | None] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of PyTorch, and record it unless it is a part of a module without children."""
        if func in WITHOUT_VALUES and _has_no_values(args[0]):
            return WITHOUT_VALUES[func]
        result = func(*args, **(kwargs or {}))
        if self._depth == 0:
            self._note(func, args, kwargs or {}, result)
        return result

    @contextmanager
    def listening(self, model: nn.Module) -> Iterator[None]:
        """While active, the calls of the model's functions and modules are recorded."""
        with ExitStack() as stack:
            for module in model.modules():
                leaf = next(module.children(), None) is None
                before, after = (self._enter_leaf, self._leave_leaf) if leaf else (self._enter, self._leave)
                stack.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(after, with_kwargs=True).remove)
            stack.enter_context(self)
            yield

    def _enter_leaf(self, *_: Any) -> None:
        self._depth += 1

    def _leave_leaf(self, module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.runs[module] += 1
            self._note(module, args, kwargs, result)

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        alone = len(args) == 1 and not kwargs and isinstance(args[0], Tensor)
        self._given.append(self._producer(args[0]) if alone else None)

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        given = self._given.pop()
        if given is not None and isinstance(result, Tensor):
            self.calls.append(Call(module, given, self._producer(result)))

    def _note(self, what: Any, args: Any, kwargs: Any, result: Any) -> None:
        results = list(result) if isinstance(result, tuple | list) else [result]
        tensors = [tensor for tensor in results if isinstance(tensor, Tensor)]
        if not tensors and getattr(what, "__name__", "") != "__setitem__":
            return  # e.g. a shape was read
        inputs = tuple(self._producer(tensor) for tensor in _tensors((*args, *kwargs.values())))
        for step in inputs:
            step.uses += 1
        for part, tensor in enumerate(tensors):
            self._keep(tensor, Step(what, inputs, tensor.shape, tuple(args), kwargs, part, len(results)))

    def _producer(self, tensor: Tensor) -> Step:
        if id(tensor) not in self._step_of:
            self._keep(tensor, Step(None, (), tensor.shape))
        return self._step_of[id(tensor)]

    def _keep(self, tensor: Tensor, step: Step) -> None:
        self._step_of[id(tensor)] = step
        self._kept.append(tensor)
        self.steps.append(step)


def _has_no_values(tensor: Any) -> bool:
    return isinstance(tensor, FakeTensor) or tensor.is_meta


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)


def record(encoder: nn.Module) -> Recording:
    """The recording of one forward pass in evaluation mode, without gradients; also on meta and fake tensors.

    Raises:
        UnsupportedError: the encoder cannot be run.
    """
    modes = {module: module.training for module in encoder.modules()}
    encoder.eval()
    try:
        return _run(encoder)
    finally:
        for module, mode in modes.items():
            module.training = mode


def _run(encoder: nn.Module) -> Recording:
    weight = next(encoder.parameters())
    ids = torch.ones(1, TOKENS, dtype=torch.int64, device=weight.device)
    # Without values, some models fail with a mask because they inspect it, and others fail without one.
    failed: list[Exception] = []
    for options in ({}, {"attention_mask": torch.ones_like(ids)}):
        recording = Recording()
        try:
            # Tensors that the encoder makes itself have values, as outside a build on the meta device.
            with torch.no_grad(), torch.device("cpu"), recording.listening(encoder):
                encoder(ids, **options)
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:  # any model may raise any exception
            failed.append(error)
        else:
            return recording
    raise UnsupportedError(
        f"methods.moe: the feed-forward blocks are found in a forward pass of {TOKENS} tokens, but "
        f"{type(encoder).__name__} failed in it: {type(failed[0]).__name__}: {str(failed[0])[:300]}"
    ) from failed[0]
