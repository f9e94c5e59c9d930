"""The module that replaces a feed-forward block: a router and its experts with stacked weights.

Shapes: B sequences, L tokens each, T = B * L tokens, D hidden size, I inner size, E experts, K experts per token.
"""

from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.errors import UnsupportedError

from .block import Block
from .dispatch import Rows, Weights, chunks_of, path_for
from .options import Options
from .router import Pass, Router


class SparseExperts(nn.Module):
    """A router and its experts: each token is sent to ``top_k`` experts, and their weighted outputs are summed.

    Experts have no capacity limit, so no token is dropped. Padding is sent to no expert and becomes zero; a shared
    expert processes all tokens, padding too, like any feed-forward block.
    """

    def __init__(self, block: Block, options: Options, encoder_pass: Pass, name: str) -> None:
        """Build experts with the sizes, dtype, device and activation of a block; their matrices are uninitialised."""
        super().__init__()
        like = block.out_weight
        hidden, inner, count = like.shape[0], options.inter_size or like.shape[1], options.num_experts
        self.gated, self.num_experts = options.expert == "gated", count
        self.name, self.encoder_pass = name, encoder_pass
        self.activation, self.dropout = block.activation, block.dropout
        width = 2 * inner if self.gated else inner
        self.router = Router(
            like.new_empty(count, hidden), options.top_k, options.renormalize, options.router_jitter_noise
        )
        self.in_weight = nn.Parameter(like.new_empty(count, width, hidden))
        self.out_weight = nn.Parameter(like.new_empty(count, hidden, inner))
        self.in_bias = nn.Parameter(like.new_zeros(count, width)) if options.expert_bias else None
        self.out_bias = nn.Parameter(like.new_zeros(count, hidden)) if options.expert_bias else None
        self.each: nn.ModuleList | None = None
        self.similarity: Tensor | None = None
        self.shared_in: nn.Linear | None = None
        self.shared_out: nn.Linear | None = None
        if options.shared_expert:
            self.shared_in = _linear(hidden, width, options.expert_bias, like)
            self.shared_out = _linear(inner, hidden, options.expert_bias, like)

    @torch.no_grad()
    def start(self, block: Block, deviation: float, upcycle: bool) -> None:
        """Initialise every matrix with a standard deviation; with ``upcycle``, let the experts compute the block.

        The bias holds the gate of a gated expert open if the block is plain. With a shared expert, both compute half.
        """
        for weight in (self.router.weight, self.in_weight, self.out_weight):
            nn.init.normal_(weight, std=deviation)
        for linear in self._shared():
            nn.init.normal_(linear.weight, std=deviation)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)
        if not upcycle:
            return
        part = 1.0 if self.shared_in is None else 0.5
        _copy(block, part, self.in_weight, self.in_bias, self.out_weight, self.out_bias)
        if self.shared_in is not None and self.shared_out is not None:
            _copy(block, part, *_as_stack(self.shared_in), *_as_stack(self.shared_out))

    def biases(self) -> Iterator[nn.Parameter]:
        """The stacked biases, if any."""
        yield from (bias for bias in (self.in_bias, self.out_bias) if bias is not None)

    def forward(self, states: Tensor) -> Tensor:
        """Map states [B, L, D] to [B, L, D]."""
        tokens = states.reshape(-1, states.shape[-1])
        routing = self.router(tokens)
        if self.training:
            self.encoder_pass.note(routing)
        sorted_rows = Rows.sort(routing.chosen, self.num_experts, self.encoder_pass.kept_tokens())
        dtype = _compute_dtype(tokens)
        outputs = self._compute(sorted_rows.gather(tokens.to(dtype)), sorted_rows.ends, dtype)
        by_token = sorted_rows.scatter(outputs).view(*routing.chosen.shape, -1) * routing.shares.unsqueeze(-1)
        mixed: Tensor = (by_token[:, 0] if by_token.shape[1] == 1 else by_token.sum(1)).to(dtype).view_as(states)
        if self.shared_in is None or self.shared_out is None:
            return mixed
        return mixed + cast(Tensor, self.shared_out(self.inside(self.shared_in(states))))

    def _compute(self, rows: Tensor, ends: Tensor, dtype: torch.dtype) -> Tensor:
        """The outputs of the experts for their rows [R, D], sorted by expert."""
        if self.each is None:
            weights = Weights(self.in_weight, self.in_bias, self.out_weight, self.out_bias)
            return path_for(rows, weights, dtype)(self.inside, rows, ends, weights, dtype)
        chunks = chunks_of(ends, rows)
        outputs = [self._expert(expert, rows[part]) for expert, part in chunks]
        return torch.cat([*outputs, torch.zeros_like(rows[chunks[-1][1].stop if chunks else 0 :])])

    def _expert(self, expert: int, rows: Tensor) -> Tensor:
        first, last = cast(nn.ModuleList, cast(nn.ModuleList, self.each)[expert])
        return cast(Tensor, last(self.inside(first(rows))))

    @torch.no_grad()
    def unstack(self) -> None:
        """Split the stack into linear layers for inference, so that the harness can pack their weights."""
        self.similarity = self.weight_similarity()
        self.each = nn.ModuleList(
            nn.ModuleList(
                _linear_of(weight[expert], None if bias is None else bias[expert])
                for weight, bias in ((self.in_weight, self.in_bias), (self.out_weight, self.out_bias))
            )
            for expert in range(self.num_experts)
        )
        del self.in_weight, self.in_bias, self.out_weight, self.out_bias

    def inside(self, values: Tensor) -> Tensor:
        """Apply activation, gate and dropout between an expert's matrices, [R, I or 2 I] to [R, I]."""
        if self.gated:
            activated, other = values.chunk(2, dim=-1)
            return cast(Tensor, self.dropout(self.activation(activated) * other))
        return cast(Tensor, self.dropout(self.activation(values)))

    def weight_similarity(self) -> Tensor:
        """Pairwise cosines of the experts' weights, all matrices and biases in one vector, [E, E]."""
        if self.similarity is not None:
            return self.similarity
        flat = [part.detach().float().flatten(1) for part in self._stacked() if part is not None]
        products = torch.stack([part @ part.t() for part in flat]).sum(0)
        lengths = products.diagonal().sqrt()
        return products / torch.outer(lengths, lengths)

    def every_output(self, tokens: Tensor) -> Tensor:
        """The output of each expert for each token, [T, D] to [E, T, D]."""
        count, (rows, hidden) = self.num_experts, tokens.shape
        ends = torch.arange(1, count + 1, dtype=torch.int32, device=tokens.device) * rows
        dtype = self.router.weight.dtype
        return self._compute(tokens.to(dtype).repeat(count, 1), ends, dtype).view(count, rows, hidden)

    def _stacked(self) -> tuple[Tensor | None, ...]:
        return self.in_weight, self.in_bias, self.out_weight, self.out_bias

    def _shared(self) -> Iterator[nn.Linear]:
        yield from (linear for linear in (self.shared_in, self.shared_out) if linear is not None)


def cosines(vectors: Tensor) -> Tensor:
    """Mean over T of the pairwise cosines of E vectors: [E, T, D] to [E, E]."""
    directions = F.normalize(vectors.float(), dim=-1)
    return torch.einsum("atd,btd->ab", directions, directions) / vectors.shape[1]


def _linear_of(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")  # meta: draws no weights
    linear.weight = nn.Parameter(weight)
    if bias is not None:
        linear.bias = nn.Parameter(bias)
    return linear.requires_grad_(False)


def _linear(in_features: int, out_features: int, bias: bool, like: Tensor) -> nn.Linear:
    return nn.Linear(in_features, out_features, bias, device=like.device, dtype=like.dtype)


def _as_stack(linear: nn.Linear) -> tuple[Tensor, Tensor | None]:
    return linear.weight.unsqueeze(0), None if linear.bias is None else linear.bias.unsqueeze(0)


def _copy(
    block: Block, part: float, in_weight: Tensor, in_bias: Tensor | None, out_weight: Tensor, out_bias: Tensor | None
) -> None:
    """Initialise each of a stack of experts so that it computes ``part`` times the block."""
    rows = block.in_weight.shape[0]
    in_weight[:, rows:].zero_()
    in_weight[:, :rows].copy_(block.in_weight.expand(len(in_weight), -1, -1))
    out_weight.copy_((block.out_weight * part).expand_as(out_weight))
    if in_bias is not None:
        in_bias[:, rows:].fill_(1)
        if block.in_bias is not None:
            in_bias[:, :rows].copy_(block.in_bias.expand(len(in_bias), -1))
    if out_bias is not None and block.out_bias is not None:
        out_bias.copy_((block.out_bias * part).expand_as(out_bias))


def check_upcycling(options: Options, block: Block) -> None:
    """Check that experts of this form can compute the block.

    Raises:
        UnsupportedError: they cannot; the message names the option to change.
    """
    own, asked = block.out_weight.shape[1], options.inter_size
    if asked is not None and asked != own:
        raise UnsupportedError(
            f"methods.moe.options: inter_size = {asked} cannot be upcycled from a block of {own}; leave it out or set "
            'init = "random"'
        )
    if block.gated and options.expert == "plain":
        raise UnsupportedError(
            'methods.moe.options: expert = "plain" cannot be upcycled from a gated block; set expert = "gated" or '
            'init = "random"'
        )
    if options.expert_bias:
        return
    if not block.gated and options.expert == "gated":
        raise UnsupportedError(
            "methods.moe.options: expert_bias = false: a gated expert without biases cannot be upcycled from a plain "
            'block, because no bias holds its gate open; set expert_bias = true, expert = "plain" or init = "random"'
        )
    if block.in_bias is not None or block.out_bias is not None:
        raise UnsupportedError(
            "methods.moe.options: expert_bias = false, but the block has biases that upcycling must copy; set "
            'expert_bias = true or init = "random"'
        )


def _compute_dtype(values: Tensor) -> torch.dtype:
    """The dtype of the experts; autocast does not cover grouped matmul, so inputs are cast explicitly."""
    kind = values.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return values.dtype
