"""Mixture of experts: feed-forward blocks of an encoder become several experts, of which each token uses a few.

Sparsely gated experts: Shazeer et al. 2017, arXiv 1701.06538. The gated feed-forward network that an expert is by
default: Shazeer 2020, arXiv 2002.05202. Experts that start as copies of the block's weights: Komatsuzaki et al. 2022,
arXiv 2212.05055.

Shapes: B sequences, L tokens each, T = B * L tokens, D hidden size, I inner size, E experts, K experts a token,
R = T * K rows that the experts are handed.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from bench.errors import UnsupportedError
from bench.method import Architecture, Method, Task
from bench.method import Options as BaseOptions

LAYER_RULE = re.compile(r"(last|first|every):([1-9][0-9]*)")
#: Grouped matmul wants rows whose length in bytes is a multiple of this.
GROUPED_ROW_BYTES = 16


class Options(BaseOptions):
    """Options of the mixture of experts."""

    expert: Literal["gated", "plain"] = Field(
        "gated", description="gated: act(x W1) * (x W2) before the output matrix; plain: act(x W1)"
    )
    expert_bias: bool = Field(True, description="the matrices of an expert have biases; the router never has one")
    num_experts: int = Field(4, ge=1, description="experts in each replaced block")
    top_k: int = Field(2, ge=1, validate_default=True, description="experts that each token is sent to")
    inter_size: int | None = Field(None, ge=1, description="inner width of an expert; absent: the block's own")
    layers: str | tuple[int, ...] = Field(
        "last:2",
        description="which blocks are replaced: last:n, first:n, every:n (each n-th one) or a list of ids from 0; a "
        "block that several layers share counts once",
    )
    init: Literal["upcycle", "random"] = Field(
        "upcycle", description="upcycle: each expert starts as a copy of the block's weights; random: from none of them"
    )
    renormalize: bool = Field(
        True, validate_default=True, description="the weights of the experts that a token is sent to sum to 1"
    )
    pooler: bool = Field(
        False,
        description="give the encoder a pooler beside its classification head, as the published study kept one; it is "
        "not used by the head",
    )

    @field_validator("top_k")
    @classmethod
    def _top_k_has_its_experts(cls, top_k: int, info: ValidationInfo) -> int:
        experts = info.data.get("num_experts", top_k)
        if top_k > experts:
            raise ValueError(f"must be at most num_experts, which is {experts}")
        return top_k

    @field_validator("layers")
    @classmethod
    def _layers_can_be_read(cls, layers: str | tuple[int, ...]) -> str | tuple[int, ...]:
        if isinstance(layers, str):
            if LAYER_RULE.fullmatch(layers) is None:
                raise ValueError("must be last:n, first:n or every:n with n at least 1, or a list of ids")
        elif not layers or min(layers) < 0 or len(set(layers)) < len(layers):
            raise ValueError("must be a list of at least one id, each at least 0 and named once")
        return layers

    @field_validator("renormalize")
    @classmethod
    def _router_can_learn(cls, renormalize: bool, info: ValidationInfo) -> bool:
        if renormalize and info.data.get("top_k") == 1 and info.data.get("num_experts", 1) > 1:
            raise ValueError(
                "must be false where top_k is 1: a single weight that is made to be 1 gives the router no gradient"
            )
        return renormalize


class MixtureOfExperts(Method):
    """Feed-forward blocks are replaced by a router and experts, and the whole model is trained."""

    label = "MoE"
    options_class = Options

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Replace the chosen blocks, add the pooler if asked, and train everything."""
        del task
        blocks = _find_blocks(model)
        chosen = [blocks[index] for index in _choose(self.options.layers, len(blocks))]
        if self.options.init == "upcycle":
            for block in chosen:
                _check_upcycling(self.options, block)
        padding = _Padding(_encoder(model))
        for block in chosen:
            block.replace(self._experts_for(block, model, padding))
        if self.options.pooler:
            _add_pooler(model)
        return model.requires_grad_(True)

    def _experts_for(self, block: "_Block", model: nn.Module, padding: "_Padding") -> "SparseExperts":
        deviation = getattr(model.config, "initializer_range", 0.02)
        experts = SparseExperts(block, self.options, padding)
        for weight in (experts.router.weight, experts.in_weight, experts.out_weight):
            nn.init.normal_(weight, std=deviation)
        if self.options.init == "upcycle":
            experts.copy_block(block)
        return experts.train(block.layer.training)

    def parameter_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """As for any method, but the experts' biases, which are stacked to matrices, get no weight decay either."""
        biases = {id(b) for m in model.modules() if isinstance(m, SparseExperts) for b in m.biases()}
        trainable = [p for group in super().parameter_groups(model) for p in group["params"]]
        decayed = [p for p in trainable if p.ndim >= 2 and id(p) not in biases]
        plain = [p for p in trainable if p.ndim < 2 or id(p) in biases]
        return [
            {"params": decayed, "weight_decay": self.options.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The plain model, less the replaced blocks, plus routers, K experts a token, and the pooler if asked."""
        first, last, runs = self._replaced(architecture)
        block = first.in_features * first.out_features + last.in_features * last.out_features
        hidden, tokens = last.out_features, task.max_length
        names = {linear.name for linear in architecture.linears}
        pooler = 2 * hidden * hidden if self.options.pooler and not names & {"pooler.dense", "pooler"} else 0
        routers: int = 2 * tokens * runs * hidden * self.options.num_experts
        plain = architecture.forward_flops(tokens) - 2 * tokens * runs * block
        total: int = plain + routers + self.expert_flops(architecture, task) + pooler
        return total

    def expert_flops(self, architecture: Architecture, task: Task) -> int:
        """2 L K M h i a replaced block: K experts a token, of M = 2 (plain) or 3 (gated) matrices h x i."""
        _, last, runs = self._replaced(architecture)
        matrices = 3 if self.options.expert == "gated" else 2
        inner = self.options.inter_size or last.in_features
        share: int = 2 * task.max_length * runs * self.options.top_k * matrices * last.out_features * inner
        return share

    def _replaced(self, architecture: Architecture) -> tuple[Any, Any, int]:
        """The first and the last linear layer of the blocks that are replaced, and how often one is run."""
        linears = {linear.name: linear for linear in architecture.linears}
        pattern = next((p for p in PATTERNS if p.first in linears and p.last in linears), None)
        if pattern is None:
            raise UnsupportedError(_not_found(f"model_type {architecture.model_type}"))
        first, last = linears[pattern.first], linears[pattern.last]
        stored = 1 if pattern.shared else first.count
        return first, last, len(_choose(self.options.layers, stored)) * first.count // stored


# Where the blocks are


class _Pattern(NamedTuple):
    """How an architecture names the parts of a feed-forward block, as paths from the layer that holds it.

    The parts below ``scope`` must be exactly these, lest a block that does more be replaced by one that does less.
    """

    models: str
    scopes: dict[str, frozenset[str]]
    first: str
    activation: str
    last: str
    replaced: str
    skipped: tuple[str, ...]
    gated: bool = False
    shared: bool = False  # one block is stored and run in every layer, as in each published ALBERT
    dropout: str | None = None


PATTERNS = (
    _Pattern(
        models="BERT, RoBERTa, ELECTRA and DeBERTa-v2",
        scopes={
            "intermediate": frozenset({"dense", "intermediate_act_fn"}),
            "output": frozenset({"dense", "LayerNorm", "dropout"}),
        },
        first="intermediate.dense",
        activation="intermediate.intermediate_act_fn",
        last="output.dense",
        replaced="intermediate",
        skipped=("output.dense",),
    ),
    _Pattern(
        models="DistilBERT",
        scopes={"ffn": frozenset({"lin1", "activation", "lin2", "dropout"})},
        first="ffn.lin1",
        activation="ffn.activation",
        last="ffn.lin2",
        replaced="ffn.lin1",
        skipped=("ffn.activation", "ffn.lin2"),
    ),
    _Pattern(
        models="ALBERT",
        scopes={
            "": frozenset({"attention", "ffn", "activation", "ffn_output", "full_layer_layer_norm", "dropout"}),
        },
        first="ffn",
        activation="activation",
        last="ffn_output",
        replaced="ffn",
        skipped=("activation", "ffn_output"),
        shared=True,
    ),
    _Pattern(
        models="ModernBERT",
        scopes={"mlp": frozenset({"Wi", "act", "drop", "Wo"})},
        first="mlp.Wi",
        activation="mlp.act",
        last="mlp.Wo",
        replaced="mlp",
        skipped=(),
        gated=True,
        dropout="mlp.drop",
    ),
)


@dataclass(frozen=True, slots=True)
class _Block:
    """A feed-forward block that was found in a layer."""

    layer: nn.Module
    pattern: _Pattern

    @property
    def first(self) -> nn.Linear:
        """The matrix from D to I, or to 2 I where the block is gated: the activated half, then the other."""
        return cast(nn.Linear, self.layer.get_submodule(self.pattern.first))

    @property
    def last(self) -> nn.Linear:
        """The matrix from I to D."""
        return cast(nn.Linear, self.layer.get_submodule(self.pattern.last))

    @property
    def activation(self) -> Callable[[Tensor], Tensor]:
        """The block's own nonlinearity; some models keep a plain function."""
        parent, _, name = self.pattern.activation.rpartition(".")
        return cast(Callable[[Tensor], Tensor], getattr(self.layer.get_submodule(parent), name))

    @property
    def dropout(self) -> nn.Module:
        """What the block drops between its two matrices."""
        return self.layer.get_submodule(self.pattern.dropout) if self.pattern.dropout else nn.Identity()

    def replace(self, experts: nn.Module) -> None:
        """Put the experts in the block's place; what follows it in the layer stays."""
        for path in self.pattern.skipped:
            self._put(path, nn.Identity().train(self.layer.training))
        self._put(self.pattern.replaced, experts)

    def _put(self, path: str, module: nn.Module) -> None:
        parent, _, name = path.rpartition(".")
        setattr(self.layer.get_submodule(parent), name, module)


def _encoder(model: nn.Module) -> nn.Module:
    """The model without its head."""
    return cast(nn.Module, getattr(model, "base_model", model))


def _find_blocks(model: nn.Module) -> list[_Block]:
    """Every feed-forward block of the encoder, in the order of its layers."""
    blocks = [
        _Block(layer, pattern) for layer in _encoder(model).modules() for pattern in PATTERNS if _fits(layer, pattern)
    ]
    config = getattr(model, "config", None)
    if not blocks:
        model_type = getattr(config, "model_type", "unknown")
        raise UnsupportedError(_not_found(f"{type(model).__name__} (model_type {model_type})"))
    if getattr(config, "chunk_size_feed_forward", 0):
        raise UnsupportedError(
            "the model's config.json sets chunk_size_feed_forward, with which a block is not shown whole sequences and "
            "padding cannot be told from text; set it to 0"
        )
    return blocks


def _not_found(where: str) -> str:
    looked_for = "; ".join(f"{p.first} and {p.last} in a layer, as in {p.models}" for p in PATTERNS)
    return (
        f"{where} has no feed-forward block of a known form: looked for {looked_for}; use such a model, or add the "
        "names of this one's block to PATTERNS in methods/moe.py"
    )


def _fits(layer: nn.Module, pattern: _Pattern) -> bool:
    activation = {pattern.activation.rpartition(".")[2]}  # a module in some models, a plain function in others
    for scope, names in pattern.scopes.items():
        part = _part(layer, scope)
        if part is None or {name for name, _ in part.named_children()} - activation != names - activation:
            return False
    return all(type(_part(layer, path)) is nn.Linear for path in (pattern.first, pattern.last))


def _part(layer: nn.Module, path: str) -> nn.Module | None:
    try:
        return layer.get_submodule(path)
    except AttributeError:
        return None


def _choose(layers: str | tuple[int, ...], count: int) -> list[int]:
    """Ids of the blocks to replace, out of ``count``."""
    if isinstance(layers, str):
        rule, number = layers.split(":")
        n = int(number)
        found = {"last": range(count - n, count), "first": range(n), "every": range(n - 1, count, n)}[rule]
        ids = list(found)
    else:
        ids = sorted(layers)
    if not ids or ids[0] < 0 or ids[-1] >= count:
        shared = " (one that several layers share counts once)" if count == 1 else ""
        raise UnsupportedError(
            f"methods.moe.options: layers = {layers!r} names layers that do not exist: the model has {count} "
            f"feed-forward block{'s' if count > 1 else ''}{shared}, ids 0 to {count - 1}; set layers to some of these, "
            'e.g. "last:1"'
        )
    return ids


class _Pooler(nn.Module):
    """The first token's state through a linear layer and tanh, named as in BERT."""

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        size = like.shape[-1]
        self.dense = nn.Linear(size, size, device=like.device, dtype=like.dtype)
        self.activation = nn.Tanh()

    def forward(self, states: Tensor) -> Tensor:
        """Map states [B, L, D] to [B, D]."""
        return cast(Tensor, self.activation(self.dense(states[:, 0])))


def _add_pooler(model: nn.Module) -> None:
    encoder = _encoder(model)
    if not hasattr(encoder, "pooler"):
        raise UnsupportedError(
            f"methods.moe.options: pooler = true, but {type(encoder).__name__} has no place for one; set pooler = false"
        )
    if encoder.pooler is None:
        router = next(module.router for module in encoder.modules() if isinstance(module, SparseExperts))
        encoder.pooler = _Pooler(router.weight)
        nn.init.normal_(encoder.pooler.dense.weight, std=getattr(model.config, "initializer_range", 0.02))
        nn.init.zeros_(encoder.pooler.dense.bias)


# The block that is put in


def _check_upcycling(options: Options, block: _Block) -> None:
    """Raise unless experts of this form can compute what the block computes."""
    own, asked = block.last.in_features, options.inter_size
    if asked is not None and asked != own:
        raise UnsupportedError(
            f"methods.moe.options: inter_size = {asked} cannot be upcycled from a block of {own}; leave it out or set "
            'init = "random"'
        )
    if block.pattern.gated and options.expert == "plain":
        raise UnsupportedError(
            'methods.moe.options: expert = "plain" cannot be upcycled from a gated block; set expert = "gated" or '
            'init = "random"'
        )
    if options.expert_bias:
        return
    if not block.pattern.gated and options.expert == "gated":
        raise UnsupportedError(
            "methods.moe.options: expert_bias = false: a gated expert without biases cannot be upcycled from a plain "
            'block, as nothing can hold its gate open; set expert_bias = true, expert = "plain" or init = "random"'
        )
    if block.first.bias is not None or block.last.bias is not None:
        raise UnsupportedError(
            "methods.moe.options: expert_bias = false, but the block has biases that upcycling must copy; set "
            'expert_bias = true or init = "random"'
        )


class _Padding:
    """What the encoder was told of padding, for the blocks inside it.

    The mask is kept until the next forward pass, as gradient checkpointing runs the blocks again in the backward pass.
    """

    def __init__(self, encoder: nn.Module) -> None:
        self.mask: Tensor | None = None
        self.signature = inspect.signature(encoder.forward)
        encoder.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, encoder: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        mask = self.signature.bind_partial(*args, **kwargs).arguments.get("attention_mask")
        if mask is not None and (not isinstance(mask, Tensor) or mask.ndim != 2):
            raise UnsupportedError(
                "the mixture of experts tells padding by an attention_mask of shape [sequences, tokens], got "
                f"{list(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__}"
            )
        self.mask = mask

    def kept_tokens(self) -> Tensor | None:
        """Whether each token is text, [T]; None where no mask was given."""
        return None if self.mask is None else self.mask.reshape(-1) != 0


class _Weights(NamedTuple):
    """The experts' weights, stacked: [E, I or 2 I, D], [E, I or 2 I], [E, D, I], [E, D]."""

    in_weight: Tensor
    in_bias: Tensor | None
    out_weight: Tensor
    out_bias: Tensor | None


class SparseExperts(nn.Module):
    """A router and its experts: each token is sent to ``top_k`` of them; their outputs are summed by weight.

    No expert has a capacity, so no token is dropped. Padding is sent to none and comes out as zero.
    """

    def __init__(self, block: _Block, options: Options, padding: _Padding) -> None:
        """Experts with the sizes, type, device and activation of a block; their matrices are left uninitialised."""
        super().__init__()
        like = block.last.weight
        hidden, inner, count = like.shape[0], options.inter_size or like.shape[1], options.num_experts
        self.gated = options.expert == "gated"
        self.top_k, self.renormalize, self.padding = options.top_k, options.renormalize, padding
        self.activation, self.dropout = block.activation, block.dropout
        width = 2 * inner if self.gated else inner
        self.router = nn.Linear(hidden, count, bias=False, device=like.device, dtype=like.dtype)
        self.in_weight = nn.Parameter(like.new_empty(count, width, hidden))
        self.out_weight = nn.Parameter(like.new_empty(count, hidden, inner))
        self.in_bias = nn.Parameter(like.new_zeros(count, width)) if options.expert_bias else None
        self.out_bias = nn.Parameter(like.new_zeros(count, hidden)) if options.expert_bias else None

    def biases(self) -> Iterator[nn.Parameter]:
        """The stacked biases, if there are any."""
        yield from (bias for bias in (self.in_bias, self.out_bias) if bias is not None)

    @torch.no_grad()
    def copy_block(self, block: _Block) -> None:
        """Let each expert compute what the block computes; the gate of a gated one is held open by its bias."""
        rows = block.first.out_features
        self.in_weight[:, rows:].zero_()
        self.in_weight[:, :rows].copy_(block.first.weight.expand(len(self.in_weight), -1, -1))
        self.out_weight.copy_(block.last.weight.expand_as(self.out_weight))
        if self.in_bias is not None:
            self.in_bias[:, rows:].fill_(1)
            if block.first.bias is not None:
                self.in_bias[:, :rows].copy_(block.first.bias.expand(len(self.in_bias), -1))
        if self.out_bias is not None and block.last.bias is not None:
            self.out_bias.copy_(block.last.bias.expand_as(self.out_bias))

    def forward(self, states: Tensor) -> Tensor:
        """Map states [B, L, D] to [B, L, D]."""
        tokens = states.reshape(-1, states.shape[-1])
        shares, chosen = self.route(tokens)
        rows = _Rows.sort(chosen, self.in_weight.shape[0], self.padding.kept_tokens())
        dtype = _compute_dtype(tokens)
        weights = _Weights(*(None if p is None else p.to(dtype) for p in self._stacked()))  # type: ignore[arg-type]
        outputs = _path_for(tokens, weights)(self, rows.gather(tokens.to(dtype)), rows.ends, weights)
        by_token = rows.scatter(outputs).view(*chosen.shape, -1)
        return (by_token * shares.unsqueeze(-1)).sum(1).to(dtype).view_as(states)

    def route(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The weights, fp32, and ids of each token's experts, both [T, K].

        The router computes in the type of its weights whatever autocast says: a rounded score sends a token elsewhere.
        """
        kind = tokens.device.type
        with torch.autocast(kind if torch.amp.is_autocast_available(kind) else "cpu", enabled=False):
            scores = self.router(tokens.to(self.router.weight.dtype))
            shares, chosen = scores.float().softmax(-1).topk(self.top_k, dim=-1)
            if self.renormalize:
                shares = shares / shares.sum(-1, keepdim=True)
        return shares, chosen

    def inside(self, values: Tensor) -> Tensor:
        """What stands between an expert's matrices."""
        if self.gated:
            activated, other = values.chunk(2, dim=-1)
            return cast(Tensor, self.dropout(self.activation(activated) * other))
        return cast(Tensor, self.dropout(self.activation(values)))

    def _stacked(self) -> tuple[Tensor | None, ...]:
        return self.in_weight, self.in_bias, self.out_weight, self.out_bias


def _compute_dtype(values: Tensor) -> torch.dtype:
    """Grouped matmul is not among the operations that autocast casts for, so the cast is made by hand."""
    kind = values.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return values.dtype


# From tokens to rows sorted by expert, and back


class _Take(torch.autograd.Function):
    """Rows by index, [N, D] to [R, D], where each row is taken ``copies`` times.

    The backward pass takes rows too, in place of adding them up by index: that is one order of addition on every
    device, so that a seed settles the result.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, places: Tensor, copies: int) -> Tensor:
        ctx.save_for_backward(places)
        ctx.copies = copies
        return values.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (places,) = ctx.saved_tensors
        taken = grads[0].index_select(0, places)
        return taken.view(-1, ctx.copies, taken.shape[-1]).sum(1) if ctx.copies > 1 else taken, None, None, None


# Function.apply has no types.
_take: Callable[[Tensor, Tensor, Tensor, int], Tensor] = _Take.apply


class _Rows(NamedTuple):
    """Pairs of a token and one of its experts, sorted by expert; those of padding stand behind the last expert.

    Attributes:
        order: the pair of each row, [R].
        places: the row of each pair, [R].
        ends: where the rows of each expert end, int32 [E].
        copies: K.
    """

    order: Tensor
    places: Tensor
    ends: Tensor
    copies: int

    @classmethod
    def sort(cls, chosen: Tensor, num_experts: int, kept: Tensor | None) -> "_Rows":
        """Sort the choices [T, K] of all tokens, ``kept`` of which are text."""
        if kept is not None:
            chosen = torch.where(kept.unsqueeze(-1), chosen, num_experts)
        experts, order = chosen.reshape(-1).sort(stable=True)
        positions = torch.arange(order.shape[0], device=order.device)
        places = torch.empty_like(order).scatter_(0, order, positions)
        ids = torch.arange(num_experts, device=order.device)
        return cls(order, places, torch.searchsorted(experts, ids, right=True, out_int32=True), chosen.shape[1])

    def gather(self, tokens: Tensor) -> Tensor:
        """Each row's token: [T, D] to [R, D]."""
        return _take(tokens, self.order // self.copies, self.places, self.copies)

    def scatter(self, rows: Tensor) -> Tensor:
        """The rows in the order of their pairs, [R, D]."""
        return _take(rows, self.places, self.order, 1)


# Two ways to send rows through experts; all map rows [R, D], sorted by expert, to [R, D], and padding to zero.

_Path = Callable[[SparseExperts, Tensor, Tensor, _Weights], Tensor]


def _path_for(values: Tensor, weights: _Weights) -> _Path:
    rows_in_bytes = [w.shape[-1] * w.element_size() for w in (weights.in_weight, weights.out_weight)]
    aligned = all(size % GROUPED_ROW_BYTES == 0 for size in rows_in_bytes)
    # In other types, and on a CPU, grouped matmul is itself a loop, with more passes over memory than ours.
    return _grouped if values.is_cuda and weights.in_weight.dtype == torch.bfloat16 and aligned else _one_by_one


def _one_by_one(experts: SparseExperts, rows: Tensor, ends: Tensor, weights: _Weights) -> Tensor:
    """One expert after the other, each on its rows."""
    sizes = _sizes(ends, rows)
    # unbind, and not an index: its backward pass puts the gradients together once for all experts
    each = zip(*([None] * ends.shape[0] if w is None else w.unbind() for w in weights), strict=True)
    *parts, padding = rows.split(sizes)
    outputs = [
        F.linear(experts.inside(F.linear(part, in_weight, in_bias)), out_weight, out_bias)
        for size, part, (in_weight, in_bias, out_weight, out_bias) in zip(sizes, parts, each, strict=False)
        if size
    ]
    return torch.cat([*outputs, torch.zeros_like(padding)])


def _sizes(ends: Tensor, rows: Tensor) -> list[int]:
    """How many rows each expert has, and last how many are padding.

    On a meta or fake tensor nobody knows; there the experts share all rows evenly, which costs what any way of sharing
    them out costs.
    """
    count, total = ends.shape[0], rows.shape[0]
    if rows.is_meta or isinstance(rows, FakeTensor):
        stops = [total * (expert + 1) // count for expert in range(count)]
    else:
        stops = ends.tolist()
    return [stop - start for start, stop in zip([0, *stops], [*stops, total], strict=True)]


def _grouped(experts: SparseExperts, rows: Tensor, ends: Tensor, weights: _Weights) -> Tensor:
    """All experts in one grouped matmul a matrix, which never waits for the device.

    It leaves the rows behind the last expert's, and their gradients, unset: they are masked on the way in, for the
    backward pass, and on the way out.
    """
    ids = torch.arange(rows.shape[0], device=rows.device)
    kept = (ids < ends[-1]).unsqueeze(-1)
    expert_of_row = torch.searchsorted(ends, ids, right=True).clamp(max=ends.shape[0] - 1)

    def linear(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        product = F.grouped_mm(values, weight.transpose(-2, -1), offs=ends)
        return product if bias is None else _add_bias(product, bias, expert_of_row, ends)

    values = linear(torch.where(kept, rows, 0), weights.in_weight, weights.in_bias)
    return torch.where(kept, linear(experts.inside(values), weights.out_weight, weights.out_bias), 0)


class _AddBias(torch.autograd.Function):
    """Add to each row its expert's bias; the gradient leaves out the rows behind the last expert's."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, bias: Tensor, expert_of_row: Tensor, ends: Tensor) -> Tensor:
        ctx.save_for_backward(ends)
        return rows + bias.index_select(0, expert_of_row)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (ends,) = ctx.saved_tensors
        # A sum over the rows of each group: grouped matmul with ones, in as many equal lines as its alignment wants.
        lines = GROUPED_ROW_BYTES // grads[0].element_size()
        ones = grads[0].new_ones(grads[0].shape[0], lines).transpose(0, 1)
        return grads[0], F.grouped_mm(ones, grads[0], offs=ends)[:, 0], None, None


_add_bias: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = _AddBias.apply
