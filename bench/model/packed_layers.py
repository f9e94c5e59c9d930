"""The tensors of a quantised layer by name, as bitsandbytes names them in a checkpoint, and the layer from them."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from bench.model.quantization import layer_in_4_bits, layer_in_8_bits

#: Name of the row scales of an 8-bit weight.
SCALES = "SCB"


def tensors_of(name: str, parameter: nn.Parameter) -> dict[str, Tensor]:
    """The tensors that a parameter consists of: its values, and the quantisation constants of a packed one.

    Args:
        name: name of the parameter in its model, first part of the names of its constants.
        parameter: whole parameter, or one of ``quantize_linear_layers``.
    """
    values: dict[str, Tensor] = {name: parameter.detach()}
    state = getattr(parameter, "quant_state", None)
    if state is not None:
        # as_dict copies the code book of the scales, which all layers share.
        constants = state.as_dict(packed=True) | {"nested_quant_map": state.state2.code}
        values |= {f"{name}.{key}": tensor for key, tensor in constants.items()}
    elif (scales := getattr(parameter, SCALES, None)) is not None:
        values[f"{name}.{SCALES}"] = scales
    return values


def layer_from(
    linear: nn.Linear, name: str, tensors: Mapping[str, Tensor], compute_dtype: torch.dtype, bits: int
) -> nn.Module:
    """A quantised layer on the CPU that takes the place of a linear layer; it uses the tensors without a copy.

    Args:
        linear: layer that gives sizes and bias.
        name: its name in the model.
        tensors: values of ``tensors_of`` for its weight, and possibly of other parameters.
        compute_dtype: dtype of the matmul with an expanded 4-bit weight.
        bits: 4 or 8.

    Raises:
        KeyError: a tensor is missing.
    """
    from bitsandbytes.nn.modules import Int8Params, Params4bit

    start = f"{name}.weight"
    values = tensors[start]
    if bits == 8:
        weight: Any = Int8Params(values, requires_grad=False, has_fp16_weights=False)
        weight.CB, weight.SCB = weight.data, tensors[f"{start}.{SCALES}"]
        return layer_in_8_bits(linear, cast(nn.Parameter, weight))
    constants = {key.removeprefix(f"{start}."): each for key, each in tensors.items() if key.startswith(f"{start}.")}
    weight = Params4bit.from_prequantized(values, constants, device="cpu")  # type: ignore[no-untyped-call,unused-ignore]
    return layer_in_4_bits(linear, cast(nn.Parameter, weight), compute_dtype)
