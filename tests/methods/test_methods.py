"""What is peculiar to each shipped method; what is asked of all of them stands in tests/check."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from bench.errors import PluginError, UnsupportedError
from bench.measure import parameters
from bench.method import Task, registry
from tests.train.support import FOUND, encoder, shipped

pytestmark = pytest.mark.usefixtures("one_thread")
TASK = Task(labels=("anger", "joy", "sadness"), max_length=32, kind="encoder")


def moved(model: nn.Module) -> nn.Module:
    """The model with every trainable weight changed, as after a training."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model


def logits(model: nn.Module) -> torch.Tensor:
    ids = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
    with torch.no_grad():
        return model.eval()(input_ids=ids, attention_mask=(ids > 0).long()).logits  # type: ignore[no-any-return]


def test_labels_are_told_apart() -> None:
    labels = [registry.load(name, plugin.path).label for name, plugin in FOUND.items()]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {"learning_rate": 0}) for name in FOUND), *((name, {"no_such_option": 1}) for name in FOUND),
        ("lora", {"r": 0}), ("lora", {"r": 1.5}), ("lora", {"alpha": 0}), ("lora", {"dropout": 1}),
        ("lora", {"target_modules": []}), ("p_tuning", {"num_virtual_tokens": 0}),
        ("p_tuning", {"reparameterization": "gru"}), ("p_tuning", {"hidden_size": 0}),
        ("bitfit", {"train_head": "perhaps"}),
    ],
)  # fmt: skip
def test_option_out_of_range_is_refused_by_name(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=rf"methods\.{name}\.options: {next(iter(options))}"):
        shipped(name, **options)


class TestFullFineTuning:
    def test_trains_all(self, tiny_encoder: Path) -> None:
        counted = parameters.count(
            shipped("full_ft").adapt(encoder(tiny_encoder, num_labels=3).requires_grad_(False), TASK)
        )
        assert counted.trainable_params == counted.total_params


class TestBitFit:
    @pytest.mark.parametrize("train_head", [True, False])
    def test_trains_biases_and_the_head_if_asked(self, train_head: bool, tiny_encoder: Path) -> None:
        model = shipped("bitfit", train_head=train_head).adapt(encoder(tiny_encoder, num_labels=3), TASK)
        for name, parameter in model.named_parameters():
            wanted = name.endswith(".bias") or (train_head and name == "classifier.weight")
            assert parameter.requires_grad == wanted, name

    def test_model_without_biases_is_unsupported(self) -> None:
        model = nn.Module()
        model.body, model.classifier = nn.Linear(2, 2, bias=False), nn.Linear(2, 2)
        with pytest.raises(UnsupportedError, match="no bias terms"):
            shipped("bitfit").adapt(model, TASK)


class TestLoRA:
    def test_starts_as_the_plain_model(self, tiny_encoder: Path) -> None:
        plain = encoder(tiny_encoder, num_labels=3)
        wanted = logits(plain)
        torch.testing.assert_close(logits(shipped("lora").adapt(plain, TASK)), wanted)

    def test_merged_is_the_plain_architecture(self, tiny_encoder: Path) -> None:
        method = shipped("lora")
        merged = method.prepare_inference(moved(method.adapt(encoder(tiny_encoder, num_labels=3), TASK)))
        total = parameters.count(encoder(tiny_encoder, num_labels=3)).total_params
        assert parameters.count(merged).total_params == total

    def test_targets_that_are_not_there_are_unsupported(self, tiny_encoder: Path) -> None:
        with pytest.raises(UnsupportedError, match="set target_modules"):
            shipped("lora", target_modules=["no_such_layer"]).adapt(encoder(tiny_encoder, num_labels=3), TASK)


class TestPTuning:
    @pytest.mark.parametrize(("length", "tokens"), [(141, 20), (160, 1)])
    def test_more_positions_than_the_model_has_are_unsupported(
        self, length: int, tokens: int, tiny_encoder: Path
    ) -> None:
        task = Task(labels=TASK.labels, max_length=length, kind="encoder")
        with pytest.raises(UnsupportedError, match=r"lower data\.max_length or num_virtual_tokens"):
            shipped("p_tuning", num_virtual_tokens=tokens).adapt(encoder(tiny_encoder, num_labels=3), task)

    @pytest.mark.parametrize("kind", ["bert", "roberta"])
    def test_the_longest_text_it_accepts_fits(self, kind: str) -> None:
        common = {"vocab_size": 30, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "num_labels": 3}
        config = AutoConfig.for_model(kind, num_hidden_layers=1, max_position_embeddings=30, **common)
        for length in range(20, 31):
            model = AutoModelForSequenceClassification.from_config(config)
            task = Task(labels=TASK.labels, max_length=length, kind="encoder")
            try:
                adapted = shipped("p_tuning", num_virtual_tokens=3).adapt(model, task)
            except UnsupportedError:
                continue
            ids = torch.full((1, length), 5)
            assert adapted(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.shape == (1, 3)
