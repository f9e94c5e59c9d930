"""A small config of every architecture that a plan knows, and models of them on the meta device."""

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, PretrainedConfig

from bench.method.architecture import ModelKind
from bench.model.load import build

TOKENS = 24
COMMON: dict[str, Any] = {"vocab_size": 101, "num_labels": 3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SHAPE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
DISENTANGLED = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}


def of(model_type: str, **values: Any) -> PretrainedConfig:
    """A small config of an architecture."""
    return AutoConfig.for_model(model_type, **COMMON | values)


ENCODERS: dict[str, PretrainedConfig] = {
    "bert": of("bert", **SHAPE),
    "roberta": of("roberta", **SHAPE),
    "distilbert": of("distilbert", dim=64, n_layers=2, n_heads=4, hidden_dim=128),
    "electra": of("electra", **SHAPE, embedding_size=64),
    "electra, embeddings projected": of("electra", **SHAPE, embedding_size=32),
    "deberta-v2, as v3-base": of(
        "deberta-v2", **SHAPE, **DISENTANGLED, share_att_key=True, position_buckets=16, position_biased_input=False
    ),
    "deberta-v2, as v2-xlarge": of(
        "deberta-v2",
        **SHAPE,
        **DISENTANGLED,
        share_att_key=True,
        position_buckets=16,
        conv_kernel_size=3,
        conv_act="gelu",
    ),
    "deberta-v2, own projections": of("deberta-v2", **SHAPE, **DISENTANGLED, max_relative_positions=20),
    "deberta-v2, absolute": of("deberta-v2", **SHAPE),
    "albert": of("albert", **SHAPE | {"num_hidden_layers": 3}, embedding_size=32),
    "modernbert": of("modernbert", **SHAPE, cls_token_id=1, sep_token_id=2, local_attention=8),
}
DECODERS: dict[str, PretrainedConfig] = {
    "gpt2": of("gpt2", n_embd=64, n_layer=2, n_head=4),
    "gpt2, narrow inside": of("gpt2", n_embd=64, n_layer=2, n_head=4, n_inner=96),
    "llama": of("llama", **SHAPE, num_key_value_heads=2),
    "mistral": of("mistral", **SHAPE, num_key_value_heads=2, head_dim=32, sliding_window=8),
    "qwen2": of("qwen2", **SHAPE, num_key_value_heads=2),
    "gemma": of("gemma", **SHAPE, num_key_value_heads=1, head_dim=32),
    "phi": of("phi", **SHAPE),
}
CONFIGS = ENCODERS | DECODERS
#: One config of each architecture, as the kind of model that it was made for.
NATIVE: list[tuple[str, ModelKind]] = [
    *((name, "encoder") for name in ENCODERS if "," not in name), ("electra, embeddings projected", "encoder"),
    ("deberta-v2, as v3-base", "encoder"), *((name, "causal") for name in DECODERS if "," not in name),
]  # fmt: skip
#: The other configs; and decoders with a classification head, which they run on every token.
OTHER: list[tuple[str, ModelKind]] = [
    *((name, "encoder") for name in CONFIGS if (name, "encoder") not in NATIVE),
    ("gpt2, narrow inside", "causal"),
]


def on_meta(config: PretrainedConfig, kind: ModelKind = "encoder") -> nn.Module:
    """The model without weights, as the harness builds it."""
    with torch.device("meta"):
        return build(config, kind)
