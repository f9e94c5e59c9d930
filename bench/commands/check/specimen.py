"""Tiny models with random weights that a method is checked on, and a few texts of random tokens."""

import copy
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, PretrainedConfig

from bench.data.batches import Batch, collate
from bench.data.tokens import Tokens
from bench.method import Encoded, Examples, Task
from bench.method.architecture import ModelKind
from bench.model.load import answer_logits, build, class_logits
from bench.model.prompting.batches import collate_answers
from bench.model.prompting.prompts import Prompt
from bench.study.settings import PromptSettings

LABELS = ("anger", "joy", "sadness")
TEXT_LENGTHS = (12, 5, 9, 11, 3, 7)
#: Maximum tokens of a text, including the prompt of a causal model.
MAX_LENGTH = 16
FIRST_WORD, VOCABULARY = 10, 64
SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 2, "max_position_embeddings": 160, "num_labels": len(LABELS),
}  # fmt: skip
#: Standard deviation of noise on all weights: fresh biases of 0 and scales of 1 could hide effects of a method.
WEIGHT_NOISE = 0.1
#: Factor on the weights of a language head; a fresh one is too small for confident predictions.
CERTAINTY = 4.0
PROMPT = Prompt(
    prefix_ids=(3,), suffix_ids=(4,), label_ids=((5,), (6,), (7,)), end_id=2, label_words=LABELS, prefix_text="",
    suffix_text="", settings=PromptSettings(),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A model to check a method on.

    Attributes:
        name: name of its architecture.
        kind: kind of model.
        config: config with its sizes.
    """

    name: str
    kind: ModelKind
    config: PretrainedConfig

    @property
    def task(self) -> Task:
        """The task that a method is given."""
        return Task(labels=LABELS, max_length=MAX_LENGTH, kind=self.kind)

    @property
    def pad_id(self) -> int:
        """Token id of padding."""
        return int(self.config.pad_token_id)

    def build(self, dtype: torch.dtype = torch.float32, dropout: bool = True) -> nn.Module:
        """The model, always with the same weights.

        Args:
            dtype: dtype of the weights.
            dropout: whether dropout is active in training.
        """
        return copy.deepcopy(_built(self, dropout)).to(dtype)

    def skeleton(self) -> nn.Module:
        """The same model without weights, on the meta device."""
        with torch.device("meta"):
            return build(self.config, self.kind)

    def batch(self, number: int = 0, texts: int = len(TEXT_LENGTHS)) -> Batch:
        """A padded training batch, as the harness makes it, with the classes in turn."""
        labels = [(index + number) % len(LABELS) for index in range(len(TEXT_LENGTHS))]
        indices, tokens = np.arange(texts), self._tokens(number)
        if self.kind == "causal":
            return collate_answers(PROMPT, tokens, labels, indices, self.pad_id)
        return collate(tokens, labels, indices, self.pad_id)

    def examples(self) -> Examples:
        """The texts of the first batch, as ``insights`` gets evaluated texts."""
        labels = [index % len(LABELS) for index in range(len(TEXT_LENGTHS))]
        halves = [np.array(half) for half in ([0, 2, 4], [1, 3, 5])]
        batches = [collate(self._tokens(0), labels, half, self.pad_id) for half in halves]
        return Examples(
            split="test", texts=[f"text {index}" for index in range(len(TEXT_LENGTHS))],
            rows=list(range(len(TEXT_LENGTHS))), labels=labels,
            batches=[
                Encoded(input_ids=batch.input_ids, attention_mask=batch.attention_mask, rows=half.tolist())
                for batch, half in zip(batches, halves, strict=True)
            ],
            token=lambda token_id: f"word{token_id}", special_ids=frozenset(range(FIRST_WORD)),
        )  # fmt: skip

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Scores of a batch as the harness computes them: [B, C] for an encoder, [B, T, V] for a causal model."""
        if self.kind == "encoder":
            return class_logits(model, batch.input_ids, batch.attention_mask)
        return answer_logits(model, batch.input_ids, batch.attention_mask, batch.labels.shape[1])

    def widened(self, batch: Batch, columns: int) -> Batch:
        """The batch with more padding, on the side the harness uses: left for a causal model, else right."""
        mask = torch.ones_like(batch.input_ids) if batch.attention_mask is None else batch.attention_mask
        sides = (columns, 0) if self.kind == "causal" else (0, columns)
        return replace(
            batch,
            input_ids=nn.functional.pad(batch.input_ids, sides, value=self.pad_id),
            attention_mask=nn.functional.pad(mask, sides, value=0),
        )

    def uninformed_loss(self, batch: Batch) -> float:
        """The loss, in nats, of predicting the class frequencies for every text."""
        labels = batch.labels if batch.labels.ndim == 2 else batch.labels.unsqueeze(1)
        return sum(_entropy(column.tolist()) for column in labels.T) / labels.shape[1]

    def _tokens(self, number: int) -> Tokens:
        rng = np.random.default_rng(number)
        ids = rng.integers(FIRST_WORD, VOCABULARY, sum(TEXT_LENGTHS), dtype=np.int32)
        return Tokens(ids=ids, offsets=np.cumsum((0, *TEXT_LENGTHS)), truncated=0)


def _entropy(values: Sequence[int]) -> float:
    return -sum(n / len(values) * math.log(n / len(values)) for n in Counter(values).values())


@cache
def specimens() -> tuple[Specimen, ...]:
    """Two encoders, with different heads and positions, and a causal model."""
    bert = AutoConfig.for_model("bert", pad_token_id=0, **SHAPE)
    roberta = AutoConfig.for_model("roberta", pad_token_id=1, **SHAPE)
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    llama = AutoConfig.for_model("llama", num_key_value_heads=1, **ends, **SHAPE)
    return (
        Specimen(name="BERT", kind="encoder", config=bert),
        Specimen(name="RoBERTa", kind="encoder", config=roberta),
        Specimen(name="Llama", kind="causal", config=llama),
    )


_kept: dict[tuple[str, bool], nn.Module] = {}


def _built(specimen: Specimen, dropout: bool) -> nn.Module:
    key = (specimen.name, dropout)
    if key not in _kept:
        config = copy.deepcopy(specimen.config)
        for name in () if dropout else [name for name in vars(config) if name.endswith("_dropout_prob")]:
            setattr(config, name, 0.0)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            model = build(config, specimen.kind)
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=WEIGHT_NOISE)
            if specimen.kind == "causal":
                cast(Any, model).get_output_embeddings().weight.mul_(CERTAINTY)
        _kept[key] = model
    return _kept[key]
