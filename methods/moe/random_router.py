"""Random routers: how far experts go with classes and tokens although the router has learnt nothing.

The hidden states that a router reads encode tokens and classes already, so any linear layer separates them to a degree.
Shapes: N tokens, D hidden size, E experts, K experts per token; V random routers; G groups of tokens.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .association import count_choices, mutual_information, share_and_lift
from .values import Value, number

#: With 20 routers, one more of the same kind exceeds all of them with a probability of 1 in 21.
NUM_ROUTERS = 20
SEED = 0
#: Relative difference of two numbers that is rounding.
ROUNDING = 1e-5
#: Columns that compare a number with that of random routers.
BESIDE = ("random_mean", "random_low", "random_high", "above_random")


class RandomRouters:
    """Random routers of one layer: linear layers whose bias makes the load about even, and the top K.

    Without the bias, the mean of the hidden states would send nearly every token to the same experts, and such a router
    goes with no class; a trained router has learnt an even load.
    """

    def __init__(self, tokens: Tensor, num_experts: int, layer: int) -> None:
        """Draw the weights, equal in every call.

        Args:
            tokens: hidden states of the layer, [N, D]; the bias removes each expert's mean logit over them.
            num_experts: number of experts E.
            layer: position of the layer, for which other weights are drawn than for other layers.
        """
        generator = torch.Generator().manual_seed(SEED + layer)
        weights = torch.randn(NUM_ROUTERS, num_experts, tokens.shape[-1], generator=generator)
        self._weights = weights.to(tokens.device)
        self._means = self._logits(tokens).mean(1, keepdim=True)

    def choose(self, tokens: Tensor, top_k: int) -> NDArray[np.int16]:
        """The experts of hidden states [N, D], int16 to save memory, [V, N, K]."""
        chosen = (self._logits(tokens) - self._means).topk(top_k, dim=-1).indices
        found: NDArray[np.int16] = chosen.to(torch.int16).cpu().numpy()
        return found

    def _logits(self, tokens: Tensor) -> Tensor:
        return torch.einsum("nd,ved->vne", tokens.float(), self._weights)


@dataclass(frozen=True, slots=True)
class Range:
    """A number under V random routers: mean, lowest and highest.

    Attributes:
        values: values by router, [V], or for several groups, [V, G].
    """

    values: NDArray[np.float64]

    def exceeded_by(self, value: float, group: int | None = None) -> bool:
        """Whether a value, or that of a group, is above those of all random routers."""
        return bool(value > self._of(group).max() * (1 + ROUNDING))

    def beside(self, value: float | None, group: int | None = None) -> tuple[Value, ...]:
        """The columns ``BESIDE`` of a value, or of that of a group."""
        values = self._of(group)
        above = None if value is None else "yes" if self.exceeded_by(value, group) else "no"
        return number(values.mean()), number(values.min()), number(values.max()), above

    def _of(self, group: int | None) -> NDArray[np.float64]:
        return self.values if group is None else self.values[:, group]


def caption_of(what: str) -> str:
    """The sentence of a caption on the columns ``BESIDE``.

    Args:
        what: number under random routers.
    """
    mean, low, high, above = BESIDE
    return (
        f"{mean}, {low} and {high}: mean, lowest and highest value over {NUM_ROUTERS} random routers, of even load, of "
        f"{what}, on the same hidden states; {above}: whether this row exceeds all of them."
    )


def information(classes: NDArray[np.int64], chosen: NDArray[np.int16], num_classes: int, num_experts: int) -> Range:
    """Mutual information of class and expert in bits.

    Args:
        classes: class of each token, [N].
        chosen: experts that random routers choose, [V, N, K].
        num_classes: number of classes.
        num_experts: number of experts E.
    """
    joint = np.stack([count_choices(classes, one, num_classes, num_experts) for one in chosen])
    return Range(mutual_information(joint))


def highest_lift(groups: NDArray[np.int64], chosen: NDArray[np.int16], num_groups: int, num_experts: int) -> Range:
    """The highest lift of each group over the experts, [V, G]; minus infinity for an empty group.

    Args:
        groups: group of each token, e.g. its text or class, [N].
        chosen: experts that random routers choose, [V, N, K].
        num_groups: number of groups G.
        num_experts: number of experts E.
    """
    lifts = [share_and_lift(count_choices(groups, one, num_groups, num_experts))[1] for one in chosen]
    return Range(np.stack([np.where(np.isnan(lift), -np.inf, lift).max(axis=1) for lift in lifts]))
