"""Architectures from the content of a config.json."""

import copy
from difflib import get_close_matches
from typing import Any

from transformers import CONFIG_MAPPING, PretrainedConfig

from bench.errors import ModelError

#: Sizes that a config.json must have, with their maxima: tens of times those of any published model.
REQUIRED_SIZES = {"hidden_size": 10**6, "num_hidden_layers": 2000, "num_attention_heads": 10**4, "vocab_size": 10**8}
OPTIONAL_SIZES = {
    "intermediate_size": 10**7, "max_position_embeddings": 10**9, "num_key_value_heads": 10**4, "head_dim": 10**5,
    "embedding_size": 10**6,
}  # fmt: skip
#: Maximum sizes with ``scale = "tiny"``. A vocabulary of 32,768 holds MiniLM's tokens and those of a chat template.
TINY = {
    "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "intermediate_size": 128, "vocab_size": 32_768,
}  # fmt: skip
#: The task's labels replace those of the checkpoint.
HEAD_SETTINGS = ("num_labels", "id2label", "label2id")


def tiny(config: PretrainedConfig) -> PretrainedConfig:
    """The same architecture with few and narrow layers and a vocabulary that a stand-in tokenizer fills."""
    changed = at_depth(config, min(config.num_hidden_layers, TINY["num_hidden_layers"]))
    for size, most in TINY.items():
        value = getattr(changed, size, None)
        if value is not None:
            setattr(changed, size, min(value, most))
    return changed


def at_depth(config: PretrainedConfig, layers: int) -> PretrainedConfig:
    """The same architecture with another number of layers; lists with one entry per layer are cut."""
    changed = copy.deepcopy(config)
    before = config.num_hidden_layers
    changed.num_hidden_layers = layers
    for name, value in vars(changed).items():
        if isinstance(value, list) and len(value) == before:
            setattr(changed, name, value[:layers])
    return changed


def config_from(content: dict[str, Any], num_labels: int, where: str) -> PretrainedConfig:
    """The architecture of a config.json, with a head for ``num_labels`` classes.

    transformers fills missing sizes with those of another model and does not check absurd ones, so they are checked
    here.

    Args:
        content: content of config.json.
        num_labels: number of classes.
        where: path of the file, for messages.

    Raises:
        ModelError: the architecture is unknown, or neither an encoder nor a causal model; a size is missing, not an
            integer or out of range; the heads do not divide the hidden size.
    """
    if "model_type" not in content:
        raise ModelError(f"{where}: model_type is missing")
    name = str(content["model_type"])
    if name not in CONFIG_MAPPING:
        near = get_close_matches(name, list(CONFIG_MAPPING), n=1, cutoff=0.5)
        got = f"{content['model_type']!r:.60}" + (f"; did you mean {near[0]!r}?" if near else "")
        raise ModelError(f"{where}: model_type must be an architecture that transformers has, got {got}")
    _refuse_unsuited(name, content, where)
    aliases = CONFIG_MAPPING[name].attribute_map
    for size, highest in REQUIRED_SIZES.items():
        keys = [key for key in (size, aliases.get(size)) if key is not None and key in content]
        if not keys:
            other = f" (or {aliases[size]})" if size in aliases else ""
            raise ModelError(f"{where}: {size}{other} is missing")
        value = content[keys[0]]
        if type(value) is not int or not 1 <= value <= highest:
            raise ModelError(f"{where}: {keys[0]} must be a whole number from 1 to {highest}, got {value!r:.60}")
    try:
        settings = {key: value for key, value in content.items() if key not in HEAD_SETTINGS}
        config: PretrainedConfig = CONFIG_MAPPING[name].from_dict(settings, num_labels=num_labels)
    except Exception as error:  # a malformed file makes transformers raise any exception
        raise ModelError(f"{where}: {type(error).__name__}: {error}") from error
    for size, highest in OPTIONAL_SIZES.items():
        value = getattr(config, size, None)
        if value is not None and (type(value) is not int or not 1 <= value <= highest):
            raise ModelError(f"{where}: {size} must be a whole number from 1 to {highest}, got {value!r:.60}")
    if getattr(config, "head_dim", None) is None and config.hidden_size % config.num_attention_heads:
        raise ModelError(
            f"{where}: num_attention_heads must divide hidden_size, got {config.num_attention_heads} heads and "
            f"{config.hidden_size}"
        )
    groups = getattr(config, "num_key_value_heads", None)
    if groups and config.num_attention_heads % groups:
        raise ModelError(
            f"{where}: num_key_value_heads must divide num_attention_heads, got {groups} and "
            f"{config.num_attention_heads}"
        )
    return config


def _refuse_unsuited(model_type: str, content: dict[str, Any], where: str) -> None:
    default = getattr(CONFIG_MAPPING[model_type], "is_encoder_decoder", False) is True
    if content.get("is_encoder_decoder", default) is True:
        raise ModelError(
            f"{where}: {model_type} is an encoder-decoder, but tunebench compares encoders with a classification head "
            "and causal language models; choose a model of these kinds"
        )
    if model_type == "xlnet":
        raise ModelError(
            f"{where}: xlnet reads a text's class at the last position of its row and needs padding on the left, but "
            "tunebench pads encoders on the right; choose another model"
        )
