"""A feed-forward block of a model: its weights, and its replacement by experts.

Shapes: D hidden size, I inner size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

#: An attribute that holds a module: the module that has it, and its name.
Place = tuple[nn.Module, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A feed-forward block that can be replaced.

    Attributes:
        name: path of the module that experts replace.
        first: one linear layer to I, or 2 I if gated; or two to I, first the one whose output is activated.
        last: linear layer from I to D.
        activation: the block's activation.
        gated: whether the activated values are multiplied with others.
        activated_half: half of the only first layer that is activated, 0 or 1.
        dropout: dropout between the matrices, or identity.
        places: where the experts are put, several if the block is stored in several places.
        skipped: what is replaced by identity, because the experts compute it.
        after: dropouts that follow the block in the module that experts replace.
    """

    name: str
    first: Sequence[nn.Module]
    last: nn.Module
    activation: Callable[[Tensor], Tensor]
    gated: bool
    activated_half: int = 0
    dropout: nn.Module
    places: Sequence[Place]
    skipped: Sequence[Place] = ()
    after: Sequence[nn.Module] = ()

    @property
    def in_weight(self) -> Tensor:
        """[I, D], or [2 I, D] if the block is gated: the activated half, then the other."""
        return self._activated_first(torch.cat([_weight(layer) for layer in self.first]))

    @property
    def in_bias(self) -> Tensor | None:
        """[I] or [2 I]; None without biases."""
        biases = [_bias(layer) for layer in self.first]
        if all(bias is None for bias in biases):
            return None
        widths = [_weight(layer).shape[0] for layer in self.first]
        zeros = _weight(self.first[0]).new_zeros
        return self._activated_first(
            torch.cat([zeros(width) if bias is None else bias for bias, width in zip(biases, widths, strict=True)])
        )

    @property
    def out_weight(self) -> Tensor:
        """[D, I]."""
        return _weight(self.last)

    @property
    def out_bias(self) -> Tensor | None:
        """[D]; None without bias."""
        return _bias(self.last)

    def _activated_first(self, rows: Tensor) -> Tensor:
        return torch.cat(rows.chunk(2)[::-1]) if self.activated_half == 1 else rows

    def replace(self, experts: nn.Module) -> None:
        """Replace the block by the experts; other parts of the layer stay."""
        training = self.last.training
        for parent, name in self.skipped:
            setattr(parent, name, nn.Identity().train(training))
        replacement = nn.Sequential(experts, *self.after).train(training) if self.after else experts
        for parent, name in self.places:
            parent._modules[name] = replacement  # also the number of a child of a Sequential


class FunctionActivation(nn.Module):
    """A function of PyTorch as a module."""

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any], options: dict[str, Any]) -> None:
        """Keep the function with the arguments that follow the values."""
        super().__init__()
        self.function, self.arguments, self.options = function, tuple(arguments), options

    def forward(self, values: Tensor) -> Tensor:
        """Call the function."""
        return cast(Tensor, self.function(values, *self.arguments, **self.options))


def _weight(linear: nn.Module) -> Tensor:
    weight = cast(Tensor, linear.weight)
    return weight.t() if isinstance(linear, Conv1D) else weight


def _bias(linear: nn.Module) -> Tensor | None:
    return cast(Tensor | None, linear.bias)
