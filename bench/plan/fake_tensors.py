"""Convert a model on the meta device to fake tensors, which have a device and a size but no data."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.model.quantization import convert_quant_state

Convert = Callable[[Tensor], Tensor]


def convert_tensors(model: nn.Module, convert: Convert) -> None:
    """Replace every tensor of a model's modules; shared tensors stay shared.

    ``nn.Module.to`` cannot be used: it swaps the data of a parameter, which a fake tensor does not allow.

    Args:
        model: model, changed in place.
        convert: function that returns the replacement of a tensor.
    """
    made: dict[int, tuple[Tensor, Tensor]] = {}  # keeps the old tensor so that its id stays unique

    def replacement(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            new = _parameter(tensor, convert) if isinstance(tensor, nn.Parameter) else convert(tensor)
            made[id(tensor)] = (tensor, new)
        return made[id(tensor)][1]

    for module in model.modules():
        attributes = vars(module)
        # Some modules keep tensors as plain attributes or in plain dicts, e.g. peft the ids of its virtual tokens.
        inner = [value for value in attributes.values() if type(value) is dict]
        for tensors in (attributes, *inner):
            for name, tensor in tensors.items():
                if isinstance(tensor, Tensor):
                    tensors[name] = replacement(tensor)


def _parameter(old: nn.Parameter, convert: Convert) -> nn.Parameter:
    with torch.no_grad():
        new = nn.Parameter(convert(old), requires_grad=old.requires_grad)
    # The scales of a 4-bit weight keep their precision.
    convert_quant_state(old, new, lambda scales: convert(scales) if scales.is_meta else scales)
    return new


def empty_like(tensor: Tensor) -> Tensor:
    """A tensor of the same shape, strides and type on the CPU; call it under FakeTensorMode."""
    return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="cpu")
