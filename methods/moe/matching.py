"""Recognise feed-forward blocks in a recording: linear layers around an activation, hidden -> wider -> hidden."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from .recording import Recording, Step

#: Operations that leave the order of the values as it is.
VIEWS = {
    "view",
    "reshape",
    "contiguous",
    "flatten",
    "unflatten",
    "to",
    "float",
    "type_as",
    "type",
    "view_as",
    "Identity",
}
PRODUCTS = {"mul", "__mul__", "__rmul__", "multiply"}
ACTIVATIONS = {
    "gelu", "relu", "silu", "tanh", "sigmoid", "elu", "selu", "celu", "mish", "relu6", "softplus", "hardswish",
    "leaky_relu", "square",
}  # fmt: skip
ACTIVATION_CLASS = re.compile(r"gelu|relu|silu|elu|swish|mish|tanh|sigmoid|activation|softplus", re.I)
NO_ACTIVATION_CLASS = re.compile(r"glu$|norm|softmax", re.I)


@dataclass(frozen=True, slots=True)
class Match:
    """One run of a feed-forward block.

    Attributes:
        first: one linear layer, or two if the block is gated by a layer of its own: first the activated one.
        activated_half: half of the only first layer that is activated, 0 or 1; None if it is not divided.
        activations: operations of the activation, in order.
        dropouts: those between the activation and the last layer, in order.
        inner: what they get: the activation's output, or its product with the other half.
        last: the last linear layer.
    """

    first: tuple[Step, ...]
    activated_half: int | None
    activations: tuple[Step, ...]
    dropouts: tuple[Step, ...]
    inner: Step
    last: Step

    @property
    def given(self) -> Step:
        """The block's input, before any reshaping."""
        return unshaped(self.first[0].inputs[0])

    @property
    def gated(self) -> bool:
        """Whether the activated values are multiplied with others."""
        return len(self.first) == 2 or self.activated_half is not None

    @property
    def matrices(self) -> tuple[nn.Module, ...]:
        """The linear layers, the last one last."""
        return tuple(step.what for step in (*self.first, self.last))


def matches(recording: Recording) -> list[Match]:
    """The runs of feed-forward blocks, in their order; layers that also run elsewhere make no block."""
    found = [match for step in recording.steps if (match := _match(step)) is not None]
    inside = [module for match in found for module in match.matrices]
    return [match for match in found if all(inside.count(m) == recording.runs[m] for m in match.matrices)]


def is_linear(step: Step) -> bool:
    """Whether the step is a linear layer with a weight and perhaps a bias, and nothing else."""
    names = {name for name, _ in step.what.named_parameters()} if isinstance(step.what, nn.Linear | Conv1D) else set()
    return {"weight"} <= names <= {"weight", "bias"}


def unshaped(step: Step) -> Step:
    """The step before views of its tensor."""
    while step.name in VIEWS and step.inputs:
        step = step.inputs[0]
    return step


def before_dropouts(step: Step) -> tuple[Step, tuple[Step, ...]]:
    """The step before dropouts and views, and these dropouts in their order."""
    dropouts: list[Step] = []
    while step.inputs and (step.name in VIEWS or "dropout" in step.name.lower()):
        if step.name not in VIEWS:
            dropouts.insert(0, step)
        step = step.inputs[0]
    return step, tuple(dropouts)


def _match(last: Step) -> Match | None:
    if not is_linear(last):
        return None
    inner, dropouts = before_dropouts(last.inputs[0])
    for activated, other in _ways(inner):
        source, activations = _before_activation(activated)
        left, half = _projection(source)
        right, other_half = (left, None) if other is None else _projection(unshaped(other))
        if not activations or left is None or right is None:
            continue
        first = (left,) if left is right else (left, right)
        match = Match(first, half, activations, dropouts, inner, last)
        if _is_whole(match, other is not None, other_half) and _is_read_once(match, source, other):
            return match
    return None


def _ways(inner: Step) -> Iterator[tuple[Step, Step | None]]:
    """What may be activated, and what it is multiplied with."""
    if inner.name in PRODUCTS and len(inner.inputs) == 2:
        yield inner.inputs
        yield inner.inputs[::-1]
    else:
        yield inner, None


def _before_activation(step: Step) -> tuple[Step, tuple[Step, ...]]:
    """The step before activations of each value, and these in their order."""
    activations: list[Step] = []
    step = unshaped(step)
    while _is_activation(step):
        activations.insert(0, step)
        step = unshaped(step.inputs[0])
    return step, tuple(activations)


def _is_activation(step: Step) -> bool:
    if len(step.inputs) != 1 or step.inputs[0].shape != step.shape:
        return False
    if isinstance(step.what, nn.Module):
        return bool(ACTIVATION_CLASS.search(step.name)) and not NO_ACTIVATION_CLASS.search(step.name)
    return step.name in ACTIVATIONS


def _projection(step: Step) -> tuple[Step | None, int | None]:
    """The linear layer that computed these values, and which half of its output they are; no layer if none did."""
    if is_linear(step):
        return step, None
    if not step.inputs:
        return None, None
    source = unshaped(step.inputs[0])
    half = _half(step) if is_linear(source) else None
    return (None, None) if half is None else (source, half)


def _half(step: Step) -> int | None:
    """Which half of the last dimension a step takes; None if it takes something else."""
    whole = step.inputs[0].shape
    if (*step.shape[:-1], 2 * step.shape[-1]) != tuple(whole):
        return None
    if step.name in ("chunk", "split", "tensor_split"):
        return step.part if step.parts == 2 else None
    return _sliced_half(step.arguments[1], step.shape[-1]) if step.name == "__getitem__" else None


def _sliced_half(index: Any, width: int) -> int | None:
    last = index[-1] if isinstance(index, tuple) else None
    if not isinstance(last, slice) or last.step not in (None, 1) or any(isinstance(i, Tensor | int) for i in index):
        return None
    start, stop, _ = last.indices(2 * width)
    return {(0, width): 0, (width, 2 * width): 1}.get((start, stop))


def _is_whole(match: Match, gated: bool, other_half: int | None) -> bool:
    """Whether the widths fit, and a gated block's two parts are two layers or the two halves of one."""
    hidden, inner = match.given.shape[-1], match.inner.shape[-1]
    if (
        match.last.shape[-1] != hidden
        or inner < hidden
        or any(unshaped(s.inputs[0]) is not match.given for s in match.first)
    ):
        return False
    halves = (match.activated_half, other_half)
    if not gated:
        return halves == (None, None)
    return halves == (None, None) if len(match.first) == 2 else halves in ((0, 1), (1, 0))


def _is_read_once(match: Match, source: Step, other: Step | None) -> bool:
    """Whether nothing else reads what lies between the matrices."""
    halves = 1 if len(match.first) == 2 or match.activated_half is None or source.parts == 2 else 2
    between = [match.inner, *match.activations, *match.dropouts, *(() if other is None else (other,))]
    return all(step.uses == 1 for step in between) and all(step.uses == halves for step in match.first)
