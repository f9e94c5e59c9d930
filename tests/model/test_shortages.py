"""Too little memory or disk for a model is said with the figures."""

from typing import Any

import pytest
import torch

from bench.errors import StudyError
from bench.measure.host_limits import HostLimit
from bench.model import weight_cache, weight_entries, weight_memory
from bench.model.random_weights import random_causal
from bench.model.shortages import shortages
from bench.model.weight_memory import weight_bytes
from bench.study.models import ModelSource
from tests.model.test_weight_cache import random_source
from tests.model.test_weights import BITS, CPU, config
from tests.plan.test_memory import held_bytes, model_tensors

BF16 = torch.bfloat16


def random_weights(bits: int = 4) -> ModelSource:
    return random_source(bits).model_copy(update={"weights": "random"})


def said(memory_bytes: int | None = None, **changes: Any) -> tuple[str, ...]:
    return shortages(random_weights(), config("llama", **changes), BF16, memory_bytes)


@BITS
@pytest.mark.parametrize("tied", [True, False])
def test_the_size_is_that_of_the_built_model(bits: int, tied: bool) -> None:
    given = config("llama", hidden_size=256, intermediate_size=512, tie_word_embeddings=tied)
    held = held_bytes(model_tensors(random_causal(given, BF16, bits, CPU)))
    assert 0.95 * held <= weight_bytes(random_weights(bits), given, BF16) <= held


def test_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said() == ()
    limit = HostLimit(3_000_000_000, "the machine's memory", 500_000_000)
    monkeypatch.setattr(weight_memory, "host_limit", lambda _: limit)
    assert said() == ()
    (line,) = said(vocab_size=12_000_000)  # embeddings and head: 12e6 * 64 * 2 * 2 bytes
    assert line.startswith("too little memory: the weights of model m take 3.1 GB by its config.json, and the ")
    assert "machine's memory has room for 2.5 GB" in line


def test_of_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_cache, "LEAST_PARAMETERS", 0)
    assert said() == ()
    monkeypatch.setenv(weight_entries.VARIABLE, "1000")
    (line,) = said()
    assert line.startswith("too little disk: the random weights of model m, 0.0 GB, are not kept in ")
    assert "which may hold 0.0 GB" in line


def test_pretrained_weights_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_cache, "LEAST_PARAMETERS", 0)
    monkeypatch.setenv(weight_entries.VARIABLE, "1000")
    pretrained = random_weights().model_copy(update={"weights": "pretrained"})
    assert shortages(pretrained, config("llama"), BF16, None) == ()


def test_a_wrong_limit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_cache, "LEAST_PARAMETERS", 0)
    monkeypatch.setenv(weight_entries.VARIABLE, "much")
    with pytest.raises(StudyError, match="TUNEBENCH_WEIGHTS_BYTES"):
        said()
