"""Head, saved copies and embeddings of an adapted model."""

import copy

import pytest
from torch import nn

from bench.plan.parts import Before
from bench.plan.row import ParameterParts


class Encoder(nn.Module):
    """A body with embeddings of 10 x 4, and a head of 4 x 2 with a bias."""

    base_model_prefix = "body"

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 4))
        self.head = nn.Linear(4, 2)


def parts(model: nn.Module, before: Before) -> dict[str, int]:
    return {name: value for name, value in before.parts(model).model_dump().items() if value}


def test_all_trained() -> None:
    model = Encoder()
    found = parts(model, Before.of(model, "encoder"))
    assert found == {"head": 10, "trainable_head": 10, "embeddings": 40, "trainable_embeddings": 40}


def test_a_trained_copy_beside_its_frozen_original() -> None:
    model = Encoder()
    before = Before.of(model, "encoder")
    model.requires_grad_(False)
    model.head = nn.ModuleDict({"kept": model.head, "trained": copy.deepcopy(model.head).requires_grad_(True)})  # type: ignore[assignment]
    assert parts(model, before) == {
        "head": 20, "trainable_head": 10, "copies": 10, "head_copies": 10, "embeddings": 40,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["encoder", "causal"])
def test_what_a_method_adds_is_no_copy(kind: str) -> None:
    model = Encoder()
    before = Before.of(model, kind)
    model.requires_grad_(False)
    model.body.append(nn.Linear(4, 4))  # of the shape of a frozen layer, under another name
    model.prompt = nn.Embedding(3, 4)
    assert before.parts(model) == ParameterParts(head=10 if kind == "encoder" else 0, embeddings=40)
