"""FLOPs at dispatch: exact where they are known."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.measure.flops.dispatched import count_forward, count_passes, count_training
from bench.method import Method, Task
from bench.train.stored_weights import enable_gradient_checkpointing
from tests.measure.flops.architectures import CONFIGS, TOKENS, on_meta
from tests.train.support import shipped


class OneLinear(nn.Module):
    """Tokens to vectors to scores: 2 x length x 8 x 5 FLOPs, since a lookup has none."""

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


def test_only_the_last_position_of_a_causal_model_has_logits() -> None:
    model = on_meta(CONFIGS["llama"], "causal")
    blocks = count_forward(model, TOKENS, "causal").forward_flops - 2 * 64 * 101
    model.lm_head = nn.Identity()
    assert count_forward(model, TOKENS, "causal").forward_flops == blocks


# Training. By hand, with L tokens, hidden size h, inner size f, C classes, n layers, each of four h x h matrices, two
# h x f matrices and two attention matmuls; a head of h x h and h x C on one position.

L, H, INNER, CLASSES, LAYERS = TOKENS, 64, 128, 3, 2
MATRICES = LAYERS * (8 * L * H * H + 4 * L * H * INNER)
ATTENTION = LAYERS * 4 * L * L * H
HEAD = 2 * H * H + 2 * H * CLASSES


def adapted(name: str, options: dict[str, Any], architecture: str = "roberta") -> nn.Module:
    method: Method = shipped(name, **options)
    task = Task(labels=("anger", "joy", "sadness"), max_length=TOKENS, kind="encoder")
    with torch.device("meta"):
        return method.adapt(on_meta(CONFIGS[architecture]), task)


def test_full_training_is_three_forward_passes() -> None:
    """Where the embeddings are trained, the first layer's input has a gradient too."""
    model = adapted("full_ft", {})
    assert count_training(model, TOKENS) == 3 * (MATRICES + ATTENTION + HEAD)
    model.get_submodule("roberta.embeddings").requires_grad_(False)
    queries_keys_values = 6 * L * H * H
    assert count_training(model, TOKENS) == 3 * (MATRICES + ATTENTION + HEAD) - queries_keys_values


@pytest.mark.parametrize("train_head", [True, False])
def test_bias_training_spares_the_gradients_of_frozen_matrices(train_head: bool) -> None:
    model = adapted("bitfit", {"train_head": train_head})
    spared = MATRICES if train_head else MATRICES + HEAD
    forward = MATRICES + ATTENTION + HEAD
    assert count_passes(model, TOKENS) == (forward, 3 * forward - spared)


def test_low_rank_training() -> None:
    """Gradients pass through each layer's frozen matrices, except to the first layer's input, which needs none.

    There the keys need none either: one of the four attention matmuls of its backward pass is spared.
    """
    rank = 4
    update = LAYERS * 2 * (2 * L * rank * H + 2 * L * rank * H)  # queries and values, two factors each
    first_input = 6 * L * H * H + 2 * 2 * L * rank * H  # queries, keys, values; the first factors of two updates
    first_keys = 2 * L * L * H
    by_hand = 2 * MATRICES + 3 * (ATTENTION + HEAD + update) - first_input - first_keys
    assert count_training(adapted("lora", {"r": rank}), TOKENS) == by_hand


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning")
def test_checkpointing_computes_the_forward_pass_twice() -> None:
    """Of the layers; the head keeps what it computed."""
    model = adapted("full_ft", {})
    plain = count_training(model, TOKENS)
    enable_gradient_checkpointing(model)
    assert count_training(model, TOKENS) - plain == MATRICES + ATTENTION
    assert count_forward(model, TOKENS).forward_flops == MATRICES + ATTENTION + HEAD


def test_training_leaves_no_trace() -> None:
    model = adapted("bitfit", {}).eval()
    model.get_submodule("roberta.embeddings").train()
    modes = [module.training for module in model.modules()]
    wanted = [parameter.requires_grad for parameter in model.parameters()]
    count_training(model, TOKENS)
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == wanted
    assert all(parameter.grad is None and parameter.is_meta for parameter in model.parameters())


def test_a_frozen_model_has_no_training_to_count() -> None:
    model = on_meta(CONFIGS["llama"], "causal").requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter of the model requires a gradient"):
        count_training(model, TOKENS, "causal")
