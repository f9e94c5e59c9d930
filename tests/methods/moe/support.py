"""Tiny models of every architecture that the mixture of experts knows, and what its tests do with them."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig

from bench.method import Task
from methods import moe
from methods.moe.experts import SparseExperts
from methods.moe.options import Options

TASK = Task(labels=("anger", "joy", "sadness"), max_length=16, kind="encoder")
SIZES: dict[str, Any] = {
    "vocab_size": 40, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
    "max_position_embeddings": 40, "pad_token_id": 1,
}  # fmt: skip
T5 = {
    "vocab_size": 40, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 3, "num_heads": 2, "pad_token_id": 1,
    "eos_token_id": 3, "decoder_start_token_id": 0,
}  # fmt: skip
DECODER = {**SIZES, "num_key_value_heads": 1}
#: Sizes by architecture, as transformers names it; what follows a colon tells two forms of one apart.
KINDS: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "roberta": SIZES,
    "electra": {**SIZES, "embedding_size": 8},
    "distilbert": {
        "vocab_size": 40, "dim": 16, "hidden_dim": 32, "n_layers": 3, "n_heads": 2, "max_position_embeddings": 40,
        "pad_token_id": 1,
    },
    "albert": {**SIZES, "embedding_size": 8, "classifier_dropout_prob": 0.1},
    "deberta-v2": {
        **SIZES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8,
        "norm_rel_ebd": "layer_norm", "share_att_key": True, "position_biased_input": False,
    },
    "modernbert": {**SIZES, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
    "gpt2": {
        "vocab_size": 40, "n_embd": 16, "n_inner": 32, "n_layer": 3, "n_head": 2, "n_positions": 40, "pad_token_id": 1,
    },
    "llama": DECODER,
    "mistral": DECODER,
    "qwen2": DECODER,
    "phi": DECODER,
    "t5": T5,
    "t5:gated": {**T5, "feed_forward_proj": "gated-gelu"},
}  # fmt: skip
#: Their blocks are gated, and gated experts alone can start as copies of them.
GATED = ("modernbert", "llama", "mistral", "qwen2", "t5:gated")
#: Neither has all layers' hidden states in what its head reads, or runs on meta tensors: it looks into token values.
T5_KINDS = ("t5", "t5:gated")
#: They find the end of a text, or its positions, by the id of padding.
READ_PADDING_IDS = ("roberta", "gpt2", "llama", "mistral", "qwen2", "phi")
IDS = torch.tensor([[2, 5, 6, 7, 8, 3], [2, 9, 10, 11, 12, 3], [2, 13, 14, 3, 1, 1], [2, 15, 3, 1, 1, 1]])
MASK = (IDS != 1).long()
LABELS = torch.tensor([0, 1, 2, 0])


def config_of(kind: str, **changes: Any) -> PretrainedConfig:
    model_type = kind.partition(":")[0]
    return AutoConfig.for_model(model_type, num_labels=3, **{**KINDS[kind], **changes})


def plain_model(kind: str, **changes: Any) -> nn.Module:
    """A model whose biases and scales are not at their start, as in a pretrained one."""
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config_of(kind, **changes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval()  # type: ignore[no-any-return]


def method_of(kind: str = "bert", **options: Any) -> moe.MixtureOfExperts:
    return moe.MixtureOfExperts(Options(**{"layers": "last:1" if kind == "albert" else "last:2", **options}))


def adapted(kind: str, **options: Any) -> nn.Module:
    return method_of(kind, **options).adapt(plain_model(kind), TASK)


def logits(model: nn.Module, ids: Tensor = IDS, mask: Tensor | None = MASK) -> Tensor:
    return model(input_ids=ids, attention_mask=mask).logits  # type: ignore[no-any-return]


def experts_in(model: nn.Module) -> list[SparseExperts]:
    return [module for module in model.modules() if isinstance(module, SparseExperts)]
