"""Positions of tokens in rows padded on the left, for models that would otherwise count the padding."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn


def base_of(model: nn.Module) -> Any:
    """The transformers model inside a wrapper of peft, or the model itself."""
    unwrap = getattr(model, "get_base_model", None)
    return model if unwrap is None else unwrap()


def takes_position_ids(model: nn.Module) -> bool:
    """Whether the model takes position ids; others compute them, e.g. BLOOM from the mask."""
    return "position_ids" in inspect.signature(base_of(model).forward).parameters


def position_ids(mask: Tensor, start: int = 0) -> Tensor:
    """Position of each token, int64, shape (B, L); padding gets any valid position.

    Args:
        mask: attention mask, shape (B, L), 1 on tokens and 0 on padding.
        start: position of a row's first token.
    """
    return (mask.to(torch.int64).cumsum(-1) - 1).clamp(min=0) + start
