"""Find the feed-forward blocks of a model, read their weights, and replace them by experts.

Shapes: D hidden size, I inner size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from bench.errors import UnsupportedError

from .options import BlockNames


class Pattern(NamedTuple):
    """Names of the parts of an architecture's feed-forward block, as paths from its layer.

    The modules in ``scopes`` must have exactly these parts; otherwise the block may compute more than its replacement.
    """

    models: str
    scopes: dict[str, frozenset[str]]
    first: tuple[str, ...]  # one matrix to I, or 2 I if gated; or two, first the one whose output is activated
    activation: str
    last: str
    replaced: str
    skipped: tuple[str, ...] = ()
    gated: bool = False
    shared: bool = False  # one block is stored and run in every layer, as in all published ALBERT models
    dropout: str | None = None  # between the matrices

    @property
    def matrices(self) -> tuple[str, ...]:
        """Paths of all matrices."""
        return (*self.first, self.last)


def _inside(
    models: str, module: str, first: tuple[str, ...], activation: str, last: str, *,
    gated: bool = False, dropout: str | None = None,
) -> Pattern:  # fmt: skip
    """The pattern of a block that is one module from D to D, by the names of its parts."""
    parts = [*first, activation, last, *([dropout] if dropout else [])]
    return Pattern(
        models=models, scopes={module: frozenset(parts)}, first=tuple(f"{module}.{part}" for part in first),
        activation=f"{module}.{activation}", last=f"{module}.{last}", replaced=module, gated=gated,
        dropout=f"{module}.{dropout}" if dropout else None,
    )  # fmt: skip


PATTERNS = (
    Pattern(
        models="BERT, RoBERTa, ELECTRA and DeBERTa-v2",
        scopes={
            "intermediate": frozenset({"dense", "intermediate_act_fn"}),
            "output": frozenset({"dense", "LayerNorm", "dropout"}),
        },
        first=("intermediate.dense",), activation="intermediate.intermediate_act_fn", last="output.dense",
        replaced="intermediate", skipped=("output.dense",),
    ),
    Pattern(
        models="DistilBERT", scopes={"ffn": frozenset({"lin1", "activation", "lin2", "dropout"})}, first=("ffn.lin1",),
        activation="ffn.activation", last="ffn.lin2", replaced="ffn.lin1", skipped=("ffn.activation", "ffn.lin2"),
    ),
    Pattern(
        models="ALBERT",
        scopes={"": frozenset({"attention", "ffn", "activation", "ffn_output", "full_layer_layer_norm", "dropout"})},
        first=("ffn",), activation="activation", last="ffn_output", replaced="ffn",
        skipped=("activation", "ffn_output"), shared=True,
    ),
    _inside("ModernBERT", "mlp", ("Wi",), "act", "Wo", gated=True, dropout="drop"),
    Pattern(
        models="GPT-2", scopes={"mlp": frozenset({"c_fc", "act", "c_proj", "dropout"})}, first=("mlp.c_fc",),
        activation="mlp.act", last="mlp.c_proj", replaced="mlp.c_fc", skipped=("mlp.act", "mlp.c_proj"),
    ),
    _inside("Llama, Mistral and Qwen2", "mlp", ("gate_proj", "up_proj"), "act_fn", "down_proj", gated=True),
    _inside("Phi", "mlp", ("fc1",), "activation_fn", "fc2"),
    _inside("T5", "DenseReluDense", ("wi",), "act", "wo", dropout="dropout"),
    _inside("gated T5", "DenseReluDense", ("wi_0", "wi_1"), "act", "wo", gated=True, dropout="dropout"),
)  # fmt: skip


def known_patterns(named: BlockNames | None) -> tuple[Pattern, ...]:
    """The patterns to look for: that of the option ``block``, or all known ones."""
    if named is None:
        return PATTERNS
    first = (named.up,) if named.gate is None else (named.gate, named.up)
    return (
        _inside(
            "the option block", named.module, first, named.activation, named.down,
            gated=named.gate is not None, dropout=named.dropout,
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """A feed-forward block that was found in a layer."""

    layer: nn.Module
    pattern: Pattern

    @property
    def in_weight(self) -> Tensor:
        """[I, D], or [2 I, D] if the block is gated: the activated half, then the other."""
        return torch.cat([_weight(self._part(path)) for path in self.pattern.first])

    @property
    def in_bias(self) -> Tensor | None:
        """[I] or [2 I]; None without biases."""
        biases = [_bias(self._part(path)) for path in self.pattern.first]
        return None if biases[0] is None else torch.cat([cast(Tensor, bias) for bias in biases])

    @property
    def out_weight(self) -> Tensor:
        """[D, I]."""
        return _weight(self._part(self.pattern.last))

    @property
    def out_bias(self) -> Tensor | None:
        """[D]; None without bias."""
        return _bias(self._part(self.pattern.last))

    @property
    def activation(self) -> Callable[[Tensor], Tensor]:
        """The block's activation, a module or a plain function."""
        parent, _, name = self.pattern.activation.rpartition(".")
        return cast(Callable[[Tensor], Tensor], getattr(self.layer.get_submodule(parent), name))

    @property
    def dropout(self) -> nn.Module:
        """The dropout between the block's matrices, or identity."""
        return self._part(self.pattern.dropout) if self.pattern.dropout else nn.Identity()

    def replace(self, experts: nn.Module) -> None:
        """Replace the block by the experts; later parts of the layer stay."""
        for path in self.pattern.skipped:
            self._put(path, nn.Identity().train(self.layer.training))
        self._put(self.pattern.replaced, experts)

    def _part(self, path: str) -> nn.Module:
        return self.layer.get_submodule(path)

    def _put(self, path: str, module: nn.Module) -> None:
        parent, _, name = path.rpartition(".")
        setattr(self.layer.get_submodule(parent), name, module)


def _weight(linear: nn.Module) -> Tensor:
    weight = cast(Tensor, linear.weight)
    return weight.t() if isinstance(linear, Conv1D) else weight


def _bias(linear: nn.Module) -> Tensor | None:
    return cast(Tensor | None, linear.bias)


def encoder_of(model: nn.Module) -> nn.Module:
    """The model without its head and, if it has one, its decoder."""
    base: Any = getattr(model, "base_model", model)
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        base = base.get_encoder()
    return cast(nn.Module, base)


def find_blocks(model: nn.Module, named: BlockNames | None) -> list[Block]:
    """All feed-forward blocks of the encoder, in the order of its layers.

    Raises:
        UnsupportedError: no block has a known form, or the weights of one cannot be copied or replaced.
    """
    patterns = known_patterns(named)
    blocks = [Block(layer, p) for layer in encoder_of(model).modules() for p in patterns if _fits(layer, p)]
    config = getattr(model, "config", None)
    if not blocks:
        model_type = getattr(config, "model_type", "unknown")
        raise UnsupportedError(not_found(f"{type(model).__name__} (model_type {model_type})", named))
    for block in blocks:
        _check_matrices(block)
    if getattr(config, "chunk_size_feed_forward", 0):
        raise UnsupportedError(
            "the model's config.json sets chunk_size_feed_forward, with which a block does not get whole sequences and "
            "cannot recognise padding; set it to 0"
        )
    return blocks


def not_found(where: str, named: BlockNames | None = None) -> str:
    """The message for a model without a block of these patterns."""
    patterns = known_patterns(named)
    looked_for = "; ".join(f"{', '.join(p.first)} and {p.last} in a layer, as in {p.models}" for p in patterns)
    return (
        f"methods.moe.options: {where} has no feed-forward block of a known form: looked for {looked_for}. A block "
        "that is one module from hidden size to hidden size can be named, e.g. "
        'block = { module = "mlp", up = "fc1", activation = "act", down = "fc2" }, and gate where it is gated; it may '
        "have no other parts"
    )


def _fits(layer: nn.Module, pattern: Pattern) -> bool:
    parent, _, activation = pattern.activation.rpartition(".")
    for scope, names in pattern.scopes.items():
        part = _part(layer, scope)
        # The activation is a module in some models, a plain function in others.
        if part is None or {name for name, _ in part.named_children()} - {activation} != names - {activation}:
            return False
    return hasattr(_part(layer, parent), activation) and all(
        hasattr(_part(layer, path), "weight") for path in pattern.matrices
    )


def _part(layer: nn.Module, path: str) -> nn.Module | None:
    try:
        return layer.get_submodule(path)
    except AttributeError:
        return None


def _check_matrices(block: Block) -> None:
    for path in block.pattern.matrices:
        part = block.layer.get_submodule(path)
        if type(part).__module__.startswith("bitsandbytes"):
            raise UnsupportedError(
                f"methods.moe: the feed-forward block's {path} is quantised ({type(part).__name__}), but experts are "
                "trained from unquantised weights; set bits = 16 for the model, or use a method that does not change "
                "its weights"
            )
        if type(part) not in (nn.Linear, Conv1D):
            raise UnsupportedError(
                f"methods.moe: the feed-forward block's {path} must be a linear layer, got {type(part).__name__}"
            )


def choose(layers: str | tuple[int, ...], count: int) -> list[int]:
    """Ids of the blocks to replace, out of ``count``.

    Raises:
        UnsupportedError: the rule names no block, or one that does not exist.
    """
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
