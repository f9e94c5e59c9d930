"""FLOPs counted on the trace by fvcore: the second of three ways."""

import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from math import prod
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from torch import Tensor, nn

from bench.measure.flops.grouped import GroupedMatmulShapes
from bench.measure.flops.sequence import call_options, in_mode, token_ids
from bench.method.architecture import ModelKind

with warnings.catch_warnings():
    # On import fvcore scripts an unused loss function, which torch reports as deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from fvcore.nn import FlopCountAnalysis, jit_handles

#: Function that counts the multiply-adds of one node of the trace, from its inputs and outputs.
Handle = Callable[[list[Any], list[Any]], Any]


def count_forward(model: nn.Module, sequence_length: int, kind: ModelKind = "encoder") -> int:
    """FLOPs of one forward pass over one sequence, batch 1, in evaluation mode; a multiply-add is 2.

    fvcore counts multiply-adds, so its figure is doubled.

    Args:
        model: adapted model on the meta device, so that nothing is computed.
        sequence_length: tokens of the sequence; virtual tokens of a prompt method come on top.
        kind: kind of the model; a causal model computes the logits of the last position only.
    """
    analysis = FlopCountAnalysis(_Logits(model, kind), (token_ids(model, sequence_length),))
    analysis.clear_op_handles().set_op_handle(**HANDLES)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    with ExitStack() as stack:
        stack.enter_context(patch.object(torch.autograd.Function, "apply", classmethod(_inlined)))
        stack.enter_context(in_mode(model, training=False))
        stack.enter_context(torch.no_grad())
        thread = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        untraced = _Untraced(thread)
        stack.enter_context(untraced)
        multiply_adds: int = analysis.total()
    return 2 * (multiply_adds + untraced.multiply_adds)


def _inlined(function: type[Any], *args: Any) -> Any:
    """Call the forward pass of an own autograd function directly: on the trace it would be one node of unknown work."""
    with_context = function.setup_context is torch.autograd.Function.setup_context
    return function.forward(*((MagicMock(), *args) if with_context else args))


class _Untraced(GroupedMatmulShapes):
    """While active, convolutions and operators of bitsandbytes run outside the trace, where shapes are numbers.

    Traced shapes are tensors, which the meta kernels of both refuse. Tracing belongs to the thread and cannot be
    suspended inside an operator, so these run in another thread. An operator of bitsandbytes is already on the trace
    by then; a convolution is not, so its multiply-adds are counted here.
    """

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        super().__init__()
        self.thread = thread
        self.multiply_adds = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "bitsandbytes":
            return self.thread.submit(_call, func, args, kwargs or {}).result()
        if func is torch.ops.aten.convolution.default:
            output, multiply_adds = self.thread.submit(_convolve, func, args).result()
            self.multiply_adds += multiply_adds
            return output
        return super().__torch_dispatch__(func, types, args, kwargs)


def _call(func: Any, args: Any, kwargs: Any) -> Any:
    with torch.no_grad():  # this setting belongs to the thread
        return func(*args, **kwargs)


def _convolve(func: Any, args: Any) -> tuple[Tensor, int]:
    """A convolution and its multiply-adds: each output element is a sum over the kernel, [out, in / groups, ...].

    A transposed convolution spreads each input element over the kernel, [in, out / groups, ...].
    """
    output = _call(func, args, {})
    states, weight, transposed = args[0], args[1], args[6]
    return output, (states if transposed else output).numel() * prod(weight.shape[1:])


class _Logits(nn.Module):
    """Adapts a model to tracing, which needs tensors in and out, and no keywords."""

    def __init__(self, model: nn.Module, kind: ModelKind) -> None:
        super().__init__()
        self.model = model
        self.options = call_options(kind)
        self.training = False

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """Only tensors: torch requests them before tracing, and a 4-bit layer would add other values."""
        del args, keep_vars
        tensors = {} if destination is None else destination
        named = chain(self.model.named_parameters(), self.model.named_buffers())
        tensors.update({f"{prefix}{name}": tensor for name, tensor in named})
        return tensors

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=ids, **self.options).logits
        return logits


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(jit_handles.get_shape(tensor))


def _named(name: str, count: Callable[[list[Any], list[Any]], int]) -> Handle:
    return lambda inputs, outputs: Counter({name: count(inputs, outputs)})


def _matmul(inputs: list[Any], outputs: list[Any]) -> Any:
    """``mm``, whose third input is the output buffer."""
    return jit_handles.matmul_flop_jit(inputs[:2], outputs)


def _attention(inputs: list[Any], outputs: list[Any]) -> int:
    """Queries [..., L, D], keys [..., S, D], values [..., S, V]: LSD for scores, LSV for values."""
    del outputs
    query, key, value = (_shape(tensor) for tensor in inputs[:3])
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _grouped(inputs: list[Any], outputs: list[Any]) -> int:
    """Each output element is a sum over K, which is divided among the groups if both operands are matrices."""
    first, second = _shape(inputs[0]), _shape(inputs[1])
    elements = prod(_shape(outputs[0]))
    return elements * first[-1] if len(first) == 3 or len(second) == 3 else first[0] * first[1] * second[1]


def _batched_sum(inputs: list[Any], outputs: list[Any]) -> int:
    """``baddbmm``: [B, M, K] x [B, K, N]."""
    del outputs
    return prod(_shape(inputs[1])) * _shape(inputs[2])[-1]


def _four_bit(inputs: list[Any], outputs: list[Any]) -> int:
    """[..., K] times a packed weight gives [..., N]."""
    return prod(_shape(outputs[0])) * _shape(inputs[0])[-1]


def _lstm(inputs: list[Any], outputs: list[Any]) -> int:
    """Every matrix of every layer and direction, once per position; ``inputs[2]`` is the list of weights."""
    del outputs
    positions = prod(_shape(inputs[0])[:-1])
    weights: list[tuple[int, ...]] = [_shape(weight) for weight in inputs[2].node().inputs()]
    return positions * sum(prod(shape) for shape in weights if len(shape) == 2)


#: Only matmuls: fvcore's defaults also count normalisations, which the other two ways do not.
HANDLES: dict[str, Handle | None] = {
    "aten::linear": jit_handles.linear_flop_jit,
    "aten::matmul": jit_handles.matmul_flop_jit,
    "aten::mm": _matmul,
    "aten::bmm": jit_handles.bmm_flop_jit,
    "aten::addmm": jit_handles.addmm_flop_jit,
    "aten::einsum": jit_handles.einsum_flop_jit,
    "aten::baddbmm": _named("baddbmm", _batched_sum),
    "aten::scaled_dot_product_attention": _named("attention", _attention),
    "aten::_grouped_mm": _named("grouped", _grouped),
    "aten::lstm": _named("lstm", _lstm),
    "bitsandbytes::gemm_4bit": _named("four_bit", _four_bit),
    "bitsandbytes::gemv_4bit": _named("four_bit", _four_bit),
    "bitsandbytes::dequantize_4bit": None,  # elementwise; the matmul that follows is counted
}
