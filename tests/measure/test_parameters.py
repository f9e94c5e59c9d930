"""Parameter counts against published ones (reports/published/sentiment_moe/), on the meta device."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, RobertaConfig

from bench.measure.parameters import count
from bench.method import Task, registry
from bench.record.record import Parameters


@cache
def roberta_base() -> RobertaConfig:
    return RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)


def adapted(name: str, **options: Any) -> Parameters:
    plugin = registry.find()[name]
    method_class = registry.load(name, plugin.path)
    method = method_class(registry.options(name, method_class, options))
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(roberta_base())
        model = method.adapt(model, Task(labels=("negative", "positive"), max_length=256, kind="encoder"))
    return count(model)


@pytest.mark.parametrize(
    ("name", "options", "trainable", "total"),
    [
        ("full_ft", {}, 124_647_170, 124_647_170),
        ("bitfit", {"train_head": False}, 102_914, 124_647_170),
        ("lora", {"r": 8}, 887_042, 125_534_212),
        ("p_tuning", {"num_virtual_tokens": 20, "reparameterization": "none"}, 607_490, 125_254_660),
    ],
)
def test_roberta_base_as_published(name: str, options: dict[str, Any], trainable: int, total: int) -> None:
    found = adapted(name, **options)
    assert (found.trainable_params, found.total_params) == (trainable, total)
    assert found.logical_params == found.total_params


def test_frozen_parameters_count_in_the_total_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    assert count(model) == Parameters(trainable_params=10, total_params=26, logical_params=26)


def test_a_shared_tensor_counts_once_and_a_buffer_never() -> None:
    model = nn.Module()
    model.one, model.two = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    model.two.weight = model.one.weight
    model.register_buffer("table", torch.zeros(100))
    assert count(model).total_params == 9


def test_a_packed_weight_counts_as_stored_and_as_what_it_stands_for() -> None:
    model = nn.Linear(64, 64, bias=False)
    packed = nn.Parameter(torch.zeros(64 * 64 // 2, 1, dtype=torch.uint8), requires_grad=False)
    packed.quant_state = SimpleNamespace(shape=torch.Size([64, 64]))  # type: ignore[attr-defined]
    model.weight = packed
    assert count(model) == Parameters(trainable_params=0, total_params=2048, logical_params=4096)
