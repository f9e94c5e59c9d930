"""Linear layers in 4 or 8 bits, by bitsandbytes.

4: NF4 with double quantisation (Dettmers et al. 2023, arXiv 2305.14314); 8: LLM.int8 (Dettmers et al. 2022, arXiv
2208.07339).
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

#: Absolute values of an activation from which LLM.int8 keeps its column in 16 bits; the paper's choice.
INT8_OUTLIERS = 6.0


def quantize_linear_layers(
    model: nn.Module,
    compute_dtype: torch.dtype,
    bits: int = 4,
    prepare: Callable[[nn.Module], None] | None = None,
    left_whole: Sequence[str] = (),
) -> None:
    """Put a quantised layer in place of every ``nn.Linear`` but the output head; embeddings stay as they are.

    The same code quantises weights on a device that bitsandbytes supports and, in 4 bits, shapes on the meta device.

    Args:
        model: changed in place.
        compute_dtype: of the matmul that the weight is expanded for.
        bits: 4 or 8.
        prepare: done to each layer just before it is quantised, e.g. to give it its weights; so no more than one whole
            layer is ever held unquantised.
        left_whole: layers that stay as they are, named as bitsandbytes' settings of transformers name them.

    Raises:
        UnsupportedError: the model has no such layer.
    """
    head = _output_head(model)
    places = [
        (module, name)
        for path, module in model.named_modules()
        for name, child in module.named_children()
        if type(child) is nn.Linear and child is not head and should_convert_module(f"{path}.{name}", [*left_whole])
    ]
    if not places:
        raise UnsupportedError(f"the model has no nn.Linear layer, so {bits} bits have nothing to hold")
    for module, name in places:  # by name, since a list of the layers would keep those that were replaced
        setattr(module, name, _quantized(getattr(module, name), compute_dtype, bits, prepare))
    # Where peft looks before it chooses and merges adapters.
    setattr(model, f"is_loaded_in_{bits}bit", True)


def _quantized(
    linear: nn.Linear, compute_dtype: torch.dtype, bits: int, prepare: Callable[[nn.Module], None] | None
) -> nn.Module:
    if prepare is not None:
        prepare(linear)
    layer = _in_4_bits(linear, compute_dtype) if bits == 4 else _in_8_bits(linear)
    return layer.train(linear.training)


def _in_4_bits(linear: nn.Linear, compute_dtype: torch.dtype) -> nn.Module:
    # Imported here, since it takes a second and only 4-bit cells need it.
    from bitsandbytes.functional import create_dynamic_map, name2qmap
    from bitsandbytes.nn.modules import Linear4bit, Params4bit

    # bitsandbytes keeps the first code book it makes; made on meta, that one would be of no use to a later real layer.
    name2qmap.setdefault("dynamic", create_dynamic_map())
    weight = Params4bit(linear.weight.detach(), compress_statistics=True, quant_type="nf4")
    layer: Any = Linear4bit(1, 1, bias=False, compute_dtype=compute_dtype, quant_type="nf4", device="meta")
    layer.in_features, layer.out_features, layer.bias = linear.in_features, linear.out_features, linear.bias
    layer.weight = weight._quantize(linear.weight.device)
    layer.weight.module, layer.quant_state = layer, layer.weight.quant_state
    return cast(nn.Module, layer)


def _in_8_bits(linear: nn.Linear) -> nn.Module:
    from bitsandbytes.nn.modules import Int8Params, Linear8bitLt

    layer: Any = Linear8bitLt(1, 1, bias=False, has_fp16_weights=False, threshold=INT8_OUTLIERS, device="meta")
    layer.in_features, layer.out_features, layer.bias = linear.in_features, linear.out_features, linear.bias
    weight = Int8Params(linear.weight.detach(), requires_grad=False, has_fp16_weights=False)
    layer.weight = weight._quantize(linear.weight.device)
    return cast(nn.Module, layer)


def _output_head(model: nn.Module) -> nn.Module | None:
    get = getattr(model, "get_output_embeddings", None)
    return get() if get is not None else None


def allow_cpu_layout(model: nn.Module, allowed: bool) -> None:
    """Let bitsandbytes lay 4-bit weights out anew for the CPU's own kernel when it first predicts, or forbid it.

    That kernel has no backward (bitsandbytes 0.50): a model that predicted and then trained would be trained on
    gradients that left out its 4-bit layers, without a word. Fake weights have no values to lay out.
    """
    layers: list[Any] = [module for module in model.modules() if hasattr(module, "support_avx512bf16_for_cpu")]
    if layers:
        from bitsandbytes.functional import has_avx512bf16

        for layer in layers:
            layer.support_avx512bf16_for_cpu = allowed and has_avx512bf16()


def compute_in(model: nn.Module, dtype: torch.dtype) -> None:
    """Have 4-bit layers compute in ``dtype``, whatever those who packed them computed in."""
    for module in model.modules():
        if hasattr(module, "compute_dtype") and hasattr(module, "quant_state"):
            setattr(module, "compute_dtype", dtype)  # noqa: B010 - a module of bitsandbytes, which has no types


def is_quantized(parameter: nn.Parameter) -> bool:
    """Whether a weight is held in 4 or 8 bits."""
    return not parameter.is_floating_point() or hasattr(parameter, "quant_state")


def cast_parameters(model: nn.Module, dtype: torch.dtype) -> None:
    """Convert all parameters but quantised ones; buffers stay, among them the frequencies of rotary positions."""
    for parameter in model.parameters():
        if not is_quantized(parameter) and parameter.dtype != dtype:
            parameter.data = parameter.data.to(dtype)


def settle(model: nn.Module, device: torch.device) -> None:
    """Put on the device what a method added elsewhere, and keep what is trained in fp32, whatever the model is in."""
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
    scales = getattr(state, "state2", None)  # gone where the weight is laid out for the CPU's own kernel
    inner = [] if scales is None else [scales.absmax, scales.code]
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
