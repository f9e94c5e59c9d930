"""The sequence that both counters pass through a model, and the options of the call."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bench.method.architecture import ModelKind


def token_ids(model: nn.Module, sequence_length: int) -> Tensor:
    """Token ids [1, sequence_length] on the device of the model's first parameter."""
    device = next(model.parameters()).device
    return torch.ones(1, sequence_length, dtype=torch.int64, device=device)


def call_options(kind: ModelKind) -> dict[str, Any]:
    """Keyword arguments for a model of this kind, besides the ids.

    There is no attention mask: transformers inspects its values, and meta tensors have none. A causal model computes
    the logits of the last position only, where the label is, and keeps no cache.
    """
    return {} if kind == "encoder" else {"logits_to_keep": 1, "use_cache": False}


@contextmanager
def in_mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Put the whole model into one mode, and restore the mode of each module afterwards."""
    before = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, was_training in before.items():
            module.training = was_training
