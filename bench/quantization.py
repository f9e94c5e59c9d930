"""Linear layers in 4 bits: NF4 with double quantisation (Dettmers et al. 2023, arXiv 2305.14314), by bitsandbytes."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from bench.errors import UnsupportedError


def quantize_linear_layers(model: nn.Module, compute_dtype: torch.dtype) -> None:
    """Put a 4-bit layer in place of every ``nn.Linear`` but the output head; embeddings stay as they are.

    The same code quantises weights on a device that bitsandbytes supports and shapes on the meta device.

    Args:
        model: changed in place.
        compute_dtype: of the matmul that the weight is expanded for.

    Raises:
        UnsupportedError: the model has no such layer.
    """
    # Imported here, since it takes a second and only 4-bit cells need it.
    from bitsandbytes.functional import create_dynamic_map, name2qmap
    from bitsandbytes.nn.modules import Linear4bit, Params4bit

    # bitsandbytes keeps the first code book it makes; made on meta, that one would be of no use to a later real layer.
    name2qmap.setdefault("dynamic", create_dynamic_map())
    head = _output_head(model)
    replaced = 0
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is not nn.Linear or child is head:
                continue
            weight = Params4bit(child.weight.detach(), compress_statistics=True, quant_type="nf4")
            layer: Any = Linear4bit(1, 1, bias=False, compute_dtype=compute_dtype, quant_type="nf4", device="meta")
            layer.in_features, layer.out_features, layer.bias = child.in_features, child.out_features, child.bias
            layer.weight = weight._quantize(child.weight.device)
            layer.weight.module, layer.quant_state = layer, layer.weight.quant_state
            setattr(module, name, layer.train(child.training))
            replaced += 1
    if not replaced:
        raise UnsupportedError("the model has no nn.Linear layer, so 4 bits have nothing to hold")
    model.is_loaded_in_4bit = True  # type: ignore[assignment]  # where peft looks before it chooses and merges adapters


def _output_head(model: nn.Module) -> nn.Module | None:
    get = getattr(model, "get_output_embeddings", None)
    return get() if get is not None else None


def expanded_bytes(func: Any, args: Sequence[Any]) -> int:
    """Bytes that an operator of bitsandbytes holds while it runs: the weight, expanded for the matmul, and its scales.

    A few rows are multiplied by a kernel that expands nothing; that is not counted on.
    """
    if getattr(func, "namespace", "") != "bitsandbytes" or "gemm_4bit" not in func.name():
        return 0
    values, _, shape, _, blocksize = args[:5]
    elements = int(shape[0] * shape[1])
    scales = elements // int(blocksize) * 4
    return elements * int(values.element_size()) + scales


def quantization_tensors(parameter: nn.Parameter) -> list[Tensor]:
    """What a 4-bit weight keeps beside its packed elements: scales, their own scales, offset and code books."""
    state = getattr(parameter, "quant_state", None)
    if state is None:
        return []
    outer = [state.absmax, state.code, state.offset]
    inner = [] if state.state2 is None else [state.state2.absmax, state.state2.code]
    return [tensor for tensor in (*outer, *inner) if isinstance(tensor, Tensor)]


#: A fake tensor with the name by which peft knows a 4-bit weight.
_FakeParams4bit = type("Params4bit", (FakeTensor,), {})


def convert_quant_state(old: nn.Parameter, new: nn.Parameter, convert: Callable[[Tensor], Tensor]) -> None:
    """Give a stand-in of a 4-bit weight what ``Linear4bit`` looks for: the scales, each by way of ``convert``."""
    state = getattr(old, "quant_state", None)
    if state is None:
        return
    state = copy.copy(state)
    state.absmax, state.code, state.offset = (convert(tensor) for tensor in (state.absmax, state.code, state.offset))
    if state.state2 is not None:
        state.state2 = copy.copy(state.state2)
        state.state2.absmax, state.state2.code = convert(state.state2.absmax), convert(state.state2.code)
    new.quant_state, new.bnb_quantized = state, True  # type: ignore[attr-defined]


@contextmanager
def fake_requantization(model: nn.Module) -> Iterator[None]:
    """Let adapters be merged into fake 4-bit weights: bitsandbytes cannot make a 4-bit weight of a fake tensor.

    What is merged is as large in 4 bits as the weight was before.
    """
    import bitsandbytes

    def packed(data: Tensor, *, quant_state: Any, quant_storage: torch.dtype = torch.uint8, **_: Any) -> nn.Parameter:
        weight = nn.Parameter(torch.empty((data.numel() + 1) // 2, 1, dtype=quant_storage), requires_grad=False)
        weight.quant_state, weight.bnb_quantized = quant_state, True  # type: ignore[attr-defined]
        return weight

    weights: list[Any] = [p for p in model.parameters() if isinstance(p, FakeTensor) and hasattr(p, "quant_state")]
    for weight in weights:
        weight.__class__ = _FakeParams4bit
    try:
        with patch.object(bitsandbytes.nn, "Params4bit", packed):
            yield
    finally:
        for weight in weights:
            weight.__class__ = FakeTensor
