"""Costs of single parts, for pytest-benchmark: compare runs with ``pytest tests/benchmarks --benchmark-compare``."""

import numpy as np
import pytest
import torch
from torch import nn

from bench.data.batches import collate, training_order
from bench.data.tokens import Tokens
from bench.model.cpu_layers import CpuDropout

pytestmark = pytest.mark.slow


def some_tokens(count: int = 4096) -> Tokens:
    lengths = np.random.default_rng(0).integers(5, 60, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Tokens(np.ones(offsets[-1], dtype=np.int32), offsets, 0)


def test_collate_one_batch(benchmark) -> None:
    tokens = some_tokens()
    indices = training_order(tokens.lengths, 32, np.random.default_rng(0))[3]
    batch = benchmark(collate, tokens, [0] * 4096, indices, 0)
    assert len(batch.indices) == 32


@pytest.mark.parametrize("make", [nn.Dropout, CpuDropout])
def test_dropout_forward(benchmark, make) -> None:
    layer, values = make(0.1).train(), torch.ones(32, 25, 384, dtype=torch.bfloat16)
    kept = benchmark(layer, values)
    assert 0.85 < float((kept != 0).float().mean()) < 0.95
