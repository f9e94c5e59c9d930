"""A model by name: architecture, weights and tokenizer, always from a local folder in the end."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
)
from transformers.utils import logging as transformers_logging

from bench.errors import ModelError
from bench.sources import ModelSource
from bench.study import ModelKind

#: What is fetched from the hub: no pickles, no code.
HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
ATTENTION = "sdpa"


def fetch(source: ModelSource) -> Path:
    """The local folder of a model, downloaded from the hub where need be, its checksum verified.

    Raises:
        ModelError: it cannot be reached, has no safetensors, or is not what its checksum says.
    """
    folder = Path(source.folder) if source.folder is not None else _download(source)
    if source.sha256 is not None:
        _verify(source, folder / "model.safetensors")
    if source.weights == "pretrained" and not list(folder.glob("*.safetensors")):
        raise ModelError(
            f"model {source.name}: {source.hub_id} has no *.safetensors at revision {source.revision}; pickled weights "
            "are never loaded"
        )
    return folder


def _download(source: ModelSource) -> Path:
    from huggingface_hub import snapshot_download

    patterns = [p for p in HUB_FILES if source.weights == "pretrained" or not p.endswith("safetensors")]
    try:
        return Path(snapshot_download(str(source.hub_id), revision=source.revision, allow_patterns=patterns))
    except Exception as error:  # the hub client raises from a dozen libraries; all mean: not reached
        raise ModelError(
            f"model {source.name}: cannot be reached on the hub: tried {source.hub_id} at revision {source.revision}: "
            f"{type(error).__name__}: {error}; to use local files define it in the study: "
            f'[models.{source.name}] path = "FOLDER"'
        ) from error


@cache
def _verify(source: ModelSource, path: Path) -> None:
    try:
        with path.open("rb") as handle:
            got = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"model {source.name}: {path} cannot be read: {error.strerror}") from None
    if got != source.sha256:
        raise ModelError(f"model {source.name}: {path} has sha256 {got}, expected {source.sha256}; it is not loaded")


def load_tokenizer(source: ModelSource, folder: Path) -> Any:
    """The model's own fast tokenizer.

    Raises:
        ModelError: there is none.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    except Exception as error:  # whatever the tokenizers library makes of a broken file
        raise ModelError(f"model {source.name}: no tokenizer in {folder}: {type(error).__name__}: {error}") from error
    # Where no file holds a vocabulary, transformers makes a tokenizer that knows no word.
    if not any((folder / name).is_file() for name in tokenizer.vocab_files_names.values()):
        raise ModelError(f"model {source.name}: no tokenizer in {folder}: it has no tokenizer.json")
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"model {source.name}: {folder} has no fast tokenizer (tokenizer.json)")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(source: ModelSource, folder: Path, num_labels: int) -> PretrainedConfig:
    """The architecture with a head for ``num_labels`` classes.

    Raises:
        ModelError: config.json is missing, broken or of an unknown architecture.
    """
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, num_labels=num_labels, trust_remote_code=False)
    except Exception as error:  # transformers raises whatever the file makes it raise
        raise ModelError(f"model {source.name}: {folder}/config.json: {type(error).__name__}: {error}") from error
    return config


def load_model(source: ModelSource, folder: Path, config: PretrainedConfig) -> nn.Module:
    """The model in fp32 on the CPU, its head initialised from the global seed where the checkpoint has none.

    Raises:
        ModelError: the weights do not fit the architecture.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if source.weights == "random":
        return build(config)
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False,
            attn_implementation=ATTENTION, output_loading_info=True,
        )  # fmt: skip
    except Exception as error:  # transformers raises whatever the files make it raise
        raise ModelError(f"model {source.name}: cannot be loaded: {type(error).__name__}: {error}") from error
    body = [
        key for key in report["missing_keys"] if key.startswith(model.base_model_prefix + ".") and "pooler" not in key
    ]
    if body:
        raise ModelError(
            f"model {source.name}: {folder} lacks weights for {len(body)} tensors, first {sorted(body)[0]}"
        )
    return model  # type: ignore[no-any-return]


def build(config: PretrainedConfig, kind: ModelKind = "encoder") -> nn.Module:
    """The architecture with fresh weights, on the current default device (``with torch.device("meta")`` for none).

    Args:
        config: the architecture.
        kind: an encoder gets a classification head for ``config.num_labels``; a causal model keeps its language head.
    """
    factory = AutoModelForSequenceClassification if kind == "encoder" else AutoModelForCausalLM
    return factory.from_config(  # type: ignore[no-any-return]
        config, dtype=torch.float32, attn_implementation=ATTENTION, trust_remote_code=False
    )
