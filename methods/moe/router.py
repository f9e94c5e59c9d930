"""The router, which sends each token to experts, and its auxiliary losses.

Shapes: T tokens, D hidden size, E experts, K experts per token.
"""

import inspect
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.errors import UnsupportedError


class Routing(NamedTuple):
    """The decisions of a router.

    Attributes:
        logits: router logits, fp32 [T, E].
        probabilities: softmax of the logits, [T, E].
        shares: weights of each token's experts, largest first, fp32 [T, K].
        chosen: ids of these experts, int64 [T, K].
    """

    logits: Tensor
    probabilities: Tensor
    shares: Tensor
    chosen: Tensor


class Router(nn.Module):
    """A linear layer without bias, softmax, and the top K (Shazeer et al. 2017, arXiv 1701.06538)."""

    def __init__(self, weight: Tensor, top_k: int, renormalize: bool, jitter_noise: float) -> None:
        """Route by a weight of shape [E, D]; see ``Options`` for the rest."""
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.top_k, self.renormalize, self.jitter_noise = top_k, renormalize, jitter_noise

    def forward(self, tokens: Tensor) -> Routing:
        """Route tokens [T, D].

        Logits are always computed in fp32, also under autocast, because rounding could change the chosen experts.
        """
        kind = tokens.device.type
        with torch.autocast(kind if torch.amp.is_autocast_available(kind) else "cpu", enabled=False):
            values = tokens.float()
            if self.training and self.jitter_noise:  # exploration as in Fedus et al. 2021, arXiv 2101.03961
                values = values * torch.empty_like(values).uniform_(1 - self.jitter_noise, 1 + self.jitter_noise)
            logits = F.linear(values, self.weight.float())
            probabilities = logits.softmax(-1)
            shares, chosen = probabilities.topk(self.top_k, dim=-1)
            if self.renormalize:
                shares = shares / shares.sum(-1, keepdim=True)
        return Routing(logits, probabilities, shares, chosen)


class Pass:
    """State of one forward pass of the encoder: its attention mask, and in training the routers' decisions.

    The mask is kept until the next pass, because gradient checkpointing runs the blocks again in the backward pass;
    those second decisions are not recorded.
    """

    def __init__(self, encoder: nn.Module) -> None:
        """Register hooks on an encoder."""
        self.mask: Tensor | None = None
        self.routings: list[Routing] = []
        self.is_under_way = False
        self.signature = inspect.signature(encoder.forward)
        encoder.register_forward_pre_hook(self._begin, with_kwargs=True)
        encoder.register_forward_hook(self._end)

    def _begin(self, encoder: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        mask = self.signature.bind_partial(*args, **kwargs).arguments.get("attention_mask")
        if mask is not None and (not isinstance(mask, Tensor) or mask.ndim != 2):
            raise UnsupportedError(
                "the mixture of experts needs an attention_mask of shape [sequences, tokens], got "
                f"{list(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__}"
            )
        self.mask = mask
        self.routings = []
        self.is_under_way = True

    def _end(self, encoder: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self.is_under_way = False

    def note(self, routing: Routing) -> None:
        """Record a router's decisions, if the pass is under way."""
        if self.is_under_way:
            self.routings.append(routing)

    def kept_tokens(self) -> Tensor | None:
        """Whether each token is not padding, [T]; None without a mask."""
        return None if self.mask is None else self.mask.reshape(-1) != 0


def expert_shares(routing: Routing, kept: Tensor | None) -> Tensor:
    """Each expert's share of the non-padding tokens, fp32 [E]; the shares sum to K."""
    return _mean(torch.zeros_like(routing.probabilities).scatter_(1, routing.chosen, 1.0), kept)


def load_balancing_loss(routing: Routing, shares: Tensor, kept: Tensor | None) -> Tensor:
    """E times the sum over experts of f P, a scalar that is 1 if all experts get equal shares.

    f is an expert's share of the choices and P its mean probability (Fedus et al. 2021, arXiv 2101.03961, equations 4
    to 6; for K above 1 f is over all K choices, as in Dai et al. 2024, arXiv 2401.06066, equations 12 to 14).

    Args:
        routing: decisions of a router in a pass.
        shares: result of ``expert_shares``.
        kept: whether each token is not padding, [T]; None: all are.
    """
    num_experts, top_k = routing.logits.shape[-1], routing.chosen.shape[-1]
    return num_experts / top_k * (shares * _mean(routing.probabilities, kept)).sum()


def z_loss(routing: Routing, kept: Tensor | None) -> Tensor:
    """Mean over tokens of the squared logsumexp of the logits (Zoph et al. 2022, arXiv 2202.08906, eq. 5).

    It keeps logits small, so that rounding errors stay small.
    """
    return _mean(routing.logits.logsumexp(-1, keepdim=True).square(), kept)[0]


def _mean(values: Tensor, kept: Tensor | None) -> Tensor:
    """Mean of values [T, N] over the non-padding tokens, [N]; 0 if there are none."""
    if kept is None:
        return values.mean(0)
    weights = kept.to(values.dtype).unsqueeze(-1)
    return (weights * values).sum(0) / weights.sum().clamp(min=1)
