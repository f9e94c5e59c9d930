"""Linear layers in 4 or 8 bits, with bitsandbytes.

4 bits: NF4 with double quantisation (Dettmers et al. 2023, arXiv 2305.14314). 8 bits: LLM.int8 (Dettmers et al. 2022,
arXiv 2208.07339).
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from transformers.quantizers.quantizers_utils import should_convert_module

from bench.errors import UnsupportedError

#: Absolute value of an activation above which LLM.int8 keeps its column in 16 bits, as in the paper.
INT8_OUTLIERS = 6.0


def quantize_linear_layers(
    model: nn.Module, compute_dtype: torch.dtype, bits: int = 4, prepare: Callable[[nn.Module], None] | None = None,
    left_whole: Sequence[str] = (),
) -> None:  # fmt: skip
    """Replace every ``nn.Linear`` but the output head by a quantised layer; embeddings stay unquantised.

    The same code quantises weights on a device that bitsandbytes supports and, in 4 bits, shapes on the meta device.

    Args:
        model: model, changed in place.
        compute_dtype: dtype of the matmul with the expanded weight.
        bits: 4 or 8.
        prepare: function on each layer just before it is quantised, e.g. to draw its weights, so that at most one
            unquantised layer is held.
        left_whole: layers that stay unquantised, named as in transformers' settings of bitsandbytes.

    Raises:
        UnsupportedError: the model has no such layer.
    """
    replace_linear_layers(
        model, lambda _, linear: _quantized(linear, compute_dtype, bits, prepare), bits, left_whole
    )  # fmt: skip


def replace_linear_layers(
    model: nn.Module, make: Callable[[str, nn.Linear], nn.Module], bits: int, left_whole: Sequence[str] = ()
) -> None:
    """Replace the layers of ``quantize_linear_layers`` by those that ``make`` returns for each name and layer.

    Raises:
        UnsupportedError: the model has no such layer.
    """
    head = output_head(model)
    places = [
        (module, path, name) for path, module in model.named_modules() for name, child in module.named_children()
        if type(child) is nn.Linear and child is not head and should_convert_module(f"{path}.{name}", [*left_whole])
    ]  # fmt: skip
    if not places:
        raise UnsupportedError(f"the model has no nn.Linear layer to quantise to {bits} bits; set bits = 16")
    for module, path, name in places:  # by name, because a list of layers would keep the replaced ones alive
        linear = getattr(module, name)
        setattr(module, name, make(f"{path}.{name}".lstrip("."), linear).train(linear.training))
        del linear
    # peft reads this to choose and merge adapters.
    setattr(model, f"is_loaded_in_{bits}bit", True)


def _quantized(
    linear: nn.Linear, compute_dtype: torch.dtype, bits: int, prepare: Callable[[nn.Module], None] | None
) -> nn.Module:
    if prepare is not None:
        prepare(linear)
    return _in_4_bits(linear, compute_dtype) if bits == 4 else _in_8_bits(linear)


def _in_4_bits(linear: nn.Linear, compute_dtype: torch.dtype) -> nn.Module:
    # Imported here, because it takes a second and only 4-bit cells need it.
    from bitsandbytes.functional import create_dynamic_map, name2qmap
    from bitsandbytes.nn.modules import Params4bit

    # bitsandbytes caches its first code book; one on the meta device would be useless for a later real layer.
    name2qmap.setdefault("dynamic", create_dynamic_map())
    weight = Params4bit(linear.weight.detach(), compress_statistics=True, quant_type="nf4")
    return layer_in_4_bits(linear, weight._quantize(linear.weight.device), compute_dtype)


def layer_in_4_bits(linear: nn.Linear, weight: nn.Parameter, compute_dtype: torch.dtype) -> nn.Module:
    """A layer with the sizes and bias of ``linear`` and a packed weight, bitsandbytes' Params4bit."""
    from bitsandbytes.nn.modules import Linear4bit

    layer: Any = Linear4bit(1, 1, bias=False, compute_dtype=compute_dtype, quant_type="nf4", device="meta")
    layer.in_features, layer.out_features, layer.bias = linear.in_features, linear.out_features, linear.bias
    layer.weight = weight
    layer.weight.module, layer.quant_state = layer, layer.weight.quant_state
    return cast(nn.Module, layer)


def _in_8_bits(linear: nn.Linear) -> nn.Module:
    from bitsandbytes.nn.modules import Int8Params

    weight = Int8Params(linear.weight.detach(), requires_grad=False, has_fp16_weights=False)
    return layer_in_8_bits(linear, weight._quantize(linear.weight.device))


def layer_in_8_bits(linear: nn.Linear, weight: nn.Parameter) -> nn.Module:
    """A layer with the sizes and bias of ``linear`` and a packed weight, bitsandbytes' Int8Params."""
    from bitsandbytes.nn.modules import Linear8bitLt

    layer: Any = Linear8bitLt(1, 1, bias=False, has_fp16_weights=False, threshold=INT8_OUTLIERS, device="meta")
    layer.in_features, layer.out_features, layer.bias = linear.in_features, linear.out_features, linear.bias
    layer.weight = weight
    return cast(nn.Module, layer)


def output_head(model: nn.Module) -> nn.Module | None:
    """The layer that gives a causal model's logits, which stays unquantised; None for a model without one."""
    get = getattr(model, "get_output_embeddings", None)
    return get() if get is not None else None


def allow_cpu_layout(model: nn.Module, allowed: bool) -> None:
    """Allow or forbid bitsandbytes to repack 4-bit weights for its CPU kernel in the first prediction.

    That kernel has no backward (bitsandbytes 0.50): a model that predicts and then trains would silently miss the
    gradients of its 4-bit layers. Fake weights have no values to repack.
    """
    layers: list[Any] = [module for module in model.modules() if hasattr(module, "support_avx512bf16_for_cpu")]
    if layers:
        from bitsandbytes.functional import has_avx512bf16

        for layer in layers:
            layer.support_avx512bf16_for_cpu = allowed and has_avx512bf16()


def compute_in(model: nn.Module, dtype: torch.dtype) -> None:
    """Make 4-bit layers compute in ``dtype``, whatever the checkpoint says."""
    for module in model.modules():
        if hasattr(module, "compute_dtype") and hasattr(module, "quant_state"):
            setattr(module, "compute_dtype", dtype)  # noqa: B010 - a module of bitsandbytes, which has no types


def is_quantized(parameter: nn.Parameter) -> bool:
    """Whether a weight is stored in 4 or 8 bits."""
    return not parameter.is_floating_point() or hasattr(parameter, "quant_state")


def cast_parameters(model: nn.Module, dtype: torch.dtype) -> None:
    """Convert all parameters but quantised ones; buffers, such as rotary frequencies, stay."""
    for parameter in model.parameters():
        if not is_quantized(parameter) and parameter.dtype != dtype:
            parameter.data = parameter.data.to(dtype)


def settle(model: nn.Module, device: torch.device) -> None:
    """Move tensors that a method added to the device, and convert trainable parameters to fp32."""
    for parameter in model.parameters():
        if parameter.device != device and not is_quantized(parameter):
            parameter.data = parameter.data.to(device)
        if parameter.requires_grad and parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()
    for module in model.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.device != device:
                setattr(module, name, buffer.to(device))


def expanded_bytes(func: Any, args: Sequence[Any]) -> int:
    """Workspace of an operator of bitsandbytes in bytes: the weight, expanded for the matmul, and its scales.

    The kernel for few rows, which expands nothing, is ignored.
    """
    if getattr(func, "namespace", "") != "bitsandbytes" or "gemm_4bit" not in func.name():
        return 0
    values, _, shape, _, blocksize = args[:5]
    elements = int(shape[0] * shape[1])
    scales = elements // int(blocksize) * 4
    return elements * int(values.element_size()) + scales


def quantization_tensors(parameter: nn.Parameter) -> list[Tensor]:
    """The tensors of a 4-bit weight beside its packed elements: scales, their own scales, offset and code books."""
    state = getattr(parameter, "quant_state", None)
    if state is None:
        return []
    outer = [state.absmax, state.code, state.offset]
    scales = getattr(state, "state2", None)  # absent if the weight is packed for the CPU kernel
    inner = [] if scales is None else [scales.absmax, scales.code]
    return [tensor for tensor in (*outer, *inner) if isinstance(tensor, Tensor)]


#: A fake tensor with the class name by which peft recognises a 4-bit weight.
_FakeParams4bit = type("Params4bit", (FakeTensor,), {})


def convert_quant_state(old: nn.Parameter, new: nn.Parameter, convert: Callable[[Tensor], Tensor]) -> None:
    """Copy the quantisation state of a 4-bit weight to a stand-in, its tensors passed through ``convert``."""
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
    """Allow merging adapters into fake 4-bit weights, because bitsandbytes cannot quantise a fake tensor.

    The merged weight has the same size as before.
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
