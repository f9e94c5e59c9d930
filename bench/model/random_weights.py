"""Causal models of true size with random weights, quantised layer by layer."""

from typing import Any, cast

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn
from transformers import PretrainedConfig

from bench.errors import UnsupportedError
from bench.model.load import build
from bench.model.quantization import quantize_linear_layers


def random_causal(
    config: PretrainedConfig, dtype: torch.dtype, bits: int | None, device: torch.device,
    wanted_attention: str | None = None,
) -> nn.Module:  # fmt: skip
    """A causal model in full size, with weights drawn from the global seed and quantised layer by layer.

    Matrices are normal with the config's ``initializer_range``, biases 0 and the weights of normalisations 1. At most
    one linear layer is held unquantised.

    Args:
        config: architecture.
        dtype: dtype of unquantised weights.
        bits: 4 or 8; 16 or None for unquantised weights.
        device: device of the model.
        wanted_attention: see ``bench.model.load.attention``.

    Raises:
        UnsupportedError: transformers has no such model.
    """
    model = empty_causal(config, dtype, wanted_attention)
    draw_weights(model, dtype, bits, device)
    return model


def empty_causal(config: PretrainedConfig, dtype: torch.dtype, wanted_attention: str | None = None) -> nn.Module:
    """The model of ``random_causal`` before its weights are drawn: whole, on the meta device, with real buffers."""
    with init_empty_weights(include_buffers=False):
        model = build(config, "causal", dtype, wanted_attention)
    cast(Any, model).tie_weights()  # accelerate has untied shared parameters
    return model


def spread_of(model: nn.Module) -> float:
    """Standard deviation of the values of matrices."""
    return float(getattr(model.config, "initializer_range", 0.02))


def draw_weights(model: nn.Module, dtype: torch.dtype, bits: int | None, device: torch.device) -> None:
    """Draw and quantise the weights of ``empty_causal``; see ``random_causal``."""
    spread = spread_of(model)
    if bits in (4, 8):
        quantize_linear_layers(model, dtype, int(bits), prepare=lambda layer: _fill(layer, {}, spread, device))
    shared: dict[nn.Parameter, nn.Parameter] = {}  # a head may share the weights of the embeddings
    for module in model.modules():
        _fill(module, shared, spread, device)
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, buffer.to(device))
    left = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if left:
        raise UnsupportedError(f"random weights of {type(model).__name__}: {left[0]} was given no values")


def _fill(module: nn.Module, made: dict[nn.Parameter, nn.Parameter], spread: float, device: torch.device) -> None:
    """Draw a module's own parameters that are on meta; ``made`` maps shared ones that were drawn before."""
    for name, parameter in list(module.named_parameters(recurse=False)):
        if parameter.is_meta:
            if parameter not in made:
                made[parameter] = nn.Parameter(_draw(parameter, name, spread, device))
            setattr(module, name, made[parameter])


def _draw(like: nn.Parameter, name: str, spread: float, device: torch.device) -> Tensor:
    values = torch.empty(like.shape, dtype=like.dtype, device=device)
    if like.ndim >= 2:
        return values.normal_(0, spread)
    return values.zero_() if name.endswith("bias") else values.fill_(1)
