"""Find the feed-forward blocks of a model by structure, or by the names that the option ``block`` gives."""

import re
from typing import Any, cast

from torch import nn
from transformers.pytorch_utils import Conv1D

from bench.errors import UnsupportedError

from .block import Block
from .matching import matches
from .options import BlockNames
from .placing import Placing
from .recording import TOKENS, record

EXPERTS = re.compile(r"(experts|moe|sparsemoeblock|moeblock)$", re.I)
WAY_OUT = (
    "A block that is one module from hidden size to hidden size can be named, e.g. "
    'block = { module = "mlp", up = "fc1", activation = "act", down = "fc2" }, and gate where it is gated; it may '
    "have no other parts"
)


def encoder_of(model: nn.Module) -> nn.Module:
    """The model without its head and, if it has one, its decoder."""
    base: Any = getattr(model, "base_model", model)
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        base = base.get_encoder()
    return cast(nn.Module, base)


def find_blocks(model: nn.Module, named: BlockNames | None) -> list[Block]:
    """All feed-forward blocks of the encoder, in the order in which they run; one that runs several times once.

    Raises:
        UnsupportedError: there is no block, or the weights of one cannot be copied or replaced.
    """
    config = getattr(model, "config", None)
    if getattr(config, "chunk_size_feed_forward", 0):
        raise UnsupportedError(
            "the model's config.json sets chunk_size_feed_forward, with which a block does not get whole sequences and "
            "cannot recognise padding; set it to 0"
        )
    where = f"{type(model).__name__} (model_type {getattr(config, 'model_type', 'unknown')})"
    _refuse_experts(model, where)
    encoder = encoder_of(model)
    _refuse_quantised(encoder)
    return _found(encoder, where) if named is None else _named(encoder, where, named)


def _refuse_experts(model: nn.Module, where: str) -> None:
    for path, module in model.named_modules():
        if path.endswith(".experts") or EXPERTS.search(type(module).__name__):
            raise UnsupportedError(
                f"methods.moe: {where} has experts already: {path} is a {type(module).__name__}; use another method, "
                "e.g. full_ft, which trains them"
            )


def _found(encoder: nn.Module, where: str) -> list[Block]:
    recording = record(encoder)
    found = matches(recording)
    if not found:
        raise UnsupportedError(
            f"methods.moe: {where} has no feed-forward block: nowhere in its encoder do two or three linear layers "
            f"lie around an activation and lead from hidden size to a wider one and back. {WAY_OUT}"
        )
    by_token = [match for match in found if match.given.shape[:-1].numel() == TOKENS]
    if not by_token:
        raise UnsupportedError(
            f"methods.moe: {where}: its feed-forward blocks do not get one vector for each token (but "
            f"{found[0].given.shape[:-1].numel()} for {TOKENS} tokens), so padding could not be recognised"
        )
    placing, blocks = Placing(encoder, recording, found), dict[tuple[nn.Module, ...], Block]()
    for match in by_token:
        if match.matrices not in blocks:
            blocks[match.matrices] = placing.block(match)
    return list(blocks.values())


def _named(encoder: nn.Module, where: str, names: BlockNames) -> list[Block]:
    blocks = [
        _by_names(layer, names) for layer in encoder.modules() if _has_parts(_part(layer, names.module), names)
    ]  # fmt: skip
    if not blocks:
        raise UnsupportedError(f"methods.moe.options: {not_found(where, names)}")
    return blocks


def not_found(where: str, names: BlockNames) -> str:
    """The message for a model without a block of these names."""
    first = [f"{names.module}.{name}" for name in (names.gate, names.up) if name]
    return (
        f"{where} has no feed-forward block as the option block names it: looked for {', '.join(first)} and "
        f"{names.module}.{names.down} in a layer. {WAY_OUT}"
    )


def _has_parts(module: nn.Module | None, names: BlockNames) -> bool:
    """Whether a module has exactly the named parts; the activation may be a plain function."""
    if module is None or not hasattr(module, names.activation):
        return False
    parts = {names.up, names.down, names.gate, names.dropout} - {None}
    if {name for name, _ in module.named_children()} - {names.activation} != parts:
        return False
    return all(
        isinstance(module.get_submodule(part), nn.Linear | Conv1D)
        for part in (names.gate, names.up, names.down)
        if part
    )


def _by_names(layer: nn.Module, names: BlockNames) -> Block:
    module = layer.get_submodule(names.module)
    parent, _, name = names.module.rpartition(".")
    return Block(
        name=names.module, first=[module.get_submodule(part) for part in (names.gate, names.up) if part],
        last=module.get_submodule(names.down), activation=getattr(module, names.activation),
        gated=names.gate is not None, dropout=getattr(module, names.dropout) if names.dropout else nn.Identity(),
        places=[(layer.get_submodule(parent), name)],
    )  # fmt: skip


def _part(layer: nn.Module, path: str) -> nn.Module | None:
    try:
        return layer.get_submodule(path)
    except AttributeError:
        return None


def _refuse_quantised(encoder: nn.Module) -> None:
    for path, module in encoder.named_modules():
        if type(module).__module__.startswith("bitsandbytes"):
            raise UnsupportedError(
                f"methods.moe: {path} is quantised ({type(module).__name__}), but experts are trained from unquantised "
                "weights; set bits = 16 for the model, or use a method that does not change its weights"
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
