"""FLOPs: exact where they are known."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, RobertaConfig

from bench.measure.flops import count_forward


class OneLinear(nn.Module):
    """Tokens to vectors to scores: 2 x length x 8 x 5 FLOPs, for a lookup is none."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.linear = nn.Linear(8, 5)
        self.dropout_seen: list[bool] = []

    def forward(self, input_ids: Tensor) -> SimpleNamespace:
        self.dropout_seen.append(self.training)
        return SimpleNamespace(logits=self.linear(self.embedding(input_ids)))


@pytest.mark.parametrize("length", [1, 7, 256])
def test_known_linear_model_exactly(length: int) -> None:
    with torch.device("meta"):
        model = OneLinear()
    found = count_forward(model, length)
    assert (found.forward_flops, found.sequence_length) == (2 * length * 8 * 5, length)


@pytest.mark.parametrize("training", [True, False])
def test_counts_in_evaluation_and_leaves_the_mode_as_it_was(training: bool) -> None:
    with torch.device("meta"):
        model = OneLinear().train(training)
    count_forward(model, 3)
    assert model.dropout_seen == [False]
    assert model.training is training


def test_roberta_base_at_256_tokens() -> None:
    """By hand, with L = 256, h = 768, f = 3072: 12 layers of 8Lhh + 4Lhf + 4LLh, then 2hh + 2h x 2 in the head."""
    config = RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa")
    length, h, f = 256, 768, 3072
    by_hand = 12 * (8 * length * h * h + 4 * length * h * f + 4 * length * length * h) + 2 * h * h + 4 * h
    found = count_forward(model, length).forward_flops
    assert found == by_hand
    assert round(found / 1e9, 4) == 45.9036
