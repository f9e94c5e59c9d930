"""The layers that get an update if neither the study nor peft names any."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from torch import nn
from transformers.pytorch_utils import Conv1D

from bench.errors import UnsupportedError

#: Query and value as in Hu et al. 2021 (arXiv 2106.09685): those of peft, and ours for architectures that peft lacks.
QUERY_AND_VALUE: dict[str, Sequence[str]] = {
    "albert": ["query", "value"], "distilbert": ["q_lin", "v_lin"], "modernbert": ["Wqkv"],
    **TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING,
}  # fmt: skip
#: Names of the projections in attention, without underscores and what ENDING removes.
QUERY, VALUE = {"q", "query", "wq"}, {"v", "value", "wv", "kv", "keyvalue"}
FUSED = {"qkv", "querykeyvalue", "wqkv", "cattn"}
ENDING = re.compile(r"_?(proj|projection|linear|lin|layer|head)$")
#: Attributes and classes of attention, and those of attention to another sequence.
ATTENTION, ATTENTION_CLASS = re.compile(r"attn|attention", re.I), re.compile(r"(attn|attention)$", re.I)
CROSS = re.compile(r"cross|encdec|encoder_attn|encoder_attention", re.I)


def default_targets(model: nn.Module) -> list[str] | str:
    """Names of the layers of query and value, or a pattern of peft.

    Those of peft if it knows the architecture. Otherwise they are found in the self-attention of the model; where it
    has no such layers, all linear layers of its attention are taken.

    Raises:
        UnsupportedError: attention has no linear layers.
    """
    model_type = str(getattr(getattr(model, "config", None), "model_type", None))
    known = QUERY_AND_VALUE.get(model_type)
    if isinstance(known, str):
        return known
    if known is not None and _called(model, known):
        return list(known)
    in_attention = _in_self_attention(model)
    wanted = _query_and_value(in_attention) or in_attention
    if not wanted:
        raise UnsupportedError(
            f"target_modules is absent, and {type(model).__name__} (model_type {model_type}) has no linear layers in "
            "its self-attention; set target_modules to the names of linear layers"
        )
    return _short_names(model, set(wanted))


def _in_self_attention(model: nn.Module) -> list[str]:
    """Paths of the linear layers in the self-attention of the body, without the head."""
    modules = dict(model.named_modules())
    body: Any = getattr(model, "base_model", model)
    prefix = next((path for path, module in modules.items() if module is body), "")
    found = []
    for path, module in modules.items():
        inside = path.startswith(f"{prefix}.") if prefix else True
        if inside and isinstance(module, nn.Linear | Conv1D) and _is_self_attention(path, modules):
            found.append(path)
    return found


def _is_self_attention(path: str, modules: dict[str, nn.Module]) -> bool:
    """Whether a module lies in self-attention, by the names and classes of the modules around it."""
    parts = path.split(".")[:-1]
    around = [(part, type(modules[".".join(parts[: i + 1])]).__name__) for i, part in enumerate(parts)]
    if any(CROSS.search(part) or CROSS.search(kind) for part, kind in around):
        return False
    return any(ATTENTION.search(part) or ATTENTION_CLASS.search(kind) for part, kind in around)


def _query_and_value(paths: Iterable[str]) -> list[str]:
    """The layers named as query and value, from modules that have both, and those of query, key and value in one."""
    found, by_parent = [], dict[str, dict[str, str]]()
    for path in paths:
        parent, _, name = path.rpartition(".")
        plain = ENDING.sub("", name.lower()).replace("_", "")
        if plain in FUSED:
            found.append(path)
        elif plain in QUERY | VALUE:
            by_parent.setdefault(parent, {})["query" if plain in QUERY else "value"] = path
    return found + [path for pair in by_parent.values() if len(pair) == 2 for path in pair.values()]


def _short_names(model: nn.Module, wanted: set[str]) -> list[str]:
    """The shortest ends of names that select exactly these layers, as peft compares them."""
    deepest = max(path.count(".") for path in wanted) + 1
    for depth in range(1, deepest):
        names = {".".join(path.split(".")[-depth:]) for path in wanted}
        if _called(model, names) == wanted:
            return sorted(names)
    return sorted(wanted)


def _called(model: nn.Module, names: Iterable[str]) -> set[str]:
    """Paths of the modules that peft selects by these names."""
    ends = tuple(f".{name}" for name in names)
    return {path for path, _ in model.named_modules() if f".{path}".endswith(ends)}
