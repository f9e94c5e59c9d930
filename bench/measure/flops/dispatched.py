"""The first of three ways: floating-point operations counted at dispatch, as each operator is called."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel, masking_utils

from bench.measure.flops.grouped import GroupedMatmulShapes
from bench.measure.flops.sequence import call_options, in_mode, token_ids
from bench.method.architecture import ModelKind
from bench.record.record import Flops


def count_forward(model: nn.Module, sequence_length: int, kind: ModelKind = "encoder") -> Flops:
    """FLOPs of one forward pass over one sequence, batch 1, in evaluation mode; a multiply-add is 2.

    Args:
        model: the adapted model on the meta device, so that nothing is computed.
        sequence_length: tokens of the sequence; virtual tokens of a prompt method come on top.
        kind: a causal model computes the logits of the last position alone, as the harness asks of it.
    """
    # With gradients: without them torch's counter refuses a module that is given a trainable table (DeBERTa).
    with in_mode(model, training=False), _counting() as counter, torch.enable_grad():
        model(input_ids=token_ids(model, sequence_length), **call_options(kind))
    return Flops(forward_flops=counter.get_total_flops(), sequence_length=sequence_length)


def count_training(model: nn.Module, sequence_length: int, kind: ModelKind = "encoder") -> int:
    """FLOPs of one forward and one backward pass, see ``count_passes``."""
    return count_passes(model, sequence_length, kind)[1]


def count_passes(model: nn.Module, sequence_length: int, kind: ModelKind = "encoder") -> tuple[int, int]:
    """FLOPs of one forward pass, and of it with its backward pass: one sequence, batch 1, in training mode.

    A real backward pass is run, so the weight gradients that frozen weights spare, and the input gradients below the
    lowest trained weight, are not counted. Attention runs as plain matmuls: what a fused kernel computes a second time
    is not counted; what gradient checkpointing computes a second time is, where the model has it on. The loss is the
    cross entropy of the logits; it, the optimizer and a method's extra loss hold no matmul.

    Args:
        model: the adapted model on the meta device; gradients it has are dropped.
        sequence_length: tokens of the sequence; virtual tokens of a prompt method come on top.
        kind: as for ``count_forward``.

    Raises:
        ValueError: the model has nothing to train.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("no parameter of the model requires a gradient, so there is no training to count")
    with in_mode(model, training=True), _counting() as counter, torch.enable_grad():
        logits = model(input_ids=token_ids(model, sequence_length), **call_options(kind)).logits
        forward: int = counter.get_total_flops()
        rows = logits.flatten(0, -2)
        F.cross_entropy(rows, rows.new_zeros(rows.shape[0], dtype=torch.int64)).backward()
    model.zero_grad(set_to_none=True)
    return forward, counter.get_total_flops()


@contextmanager
def _counting() -> Iterator[FlopCounterMode]:
    with ExitStack() as stack:
        # transformers looks in the values of position ids for several texts packed into one sequence. There is one
        # text, and meta tensors have no values; fake tensors would be spared the look, but take longer.
        stack.enter_context(patch.object(masking_utils, "find_packed_sequence_indices", lambda *_: None))
        # It looks in the token ids of some models (DeBERTa, GPT-2) for padding, to warn that there is no mask.
        stack.enter_context(patch.object(PreTrainedModel, "warn_if_padding_and_no_attention_mask", lambda *_: None))
        # torch has no formula for every device's fused kernel of attention; it has one for matmuls.
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(GroupedMatmulShapes())
        yield stack.enter_context(FlopCounterMode(display=False, custom_mapping=_formulas()))


def _formulas() -> dict[Any, Any]:
    """What torch's counter does not know: grouped matmuls, a CPU's LSTM, and 4 bits where bitsandbytes is loaded."""
    formulas: dict[Any, Any] = {
        torch.ops.aten._grouped_mm: _grouped_flops,
        torch.ops.aten.mkldnn_rnn_layer: _recurrent_flops,
    }
    for name in ("gemm_4bit", "gemv_4bit"):
        if hasattr(torch.ops.bitsandbytes, name):
            formulas[getattr(torch.ops.bitsandbytes, name)] = _four_bit_flops
    return formulas


def _grouped_flops(first: Sequence[int], second: Sequence[int], *_: Any, **__: Any) -> int:
    """FLOPs of ``aten::_grouped_mm``, forward or backward: 2MKN, and for two 3-D operands once a group.

    With offsets each row (or column, or slice of K) belongs to one group and is multiplied once; rows beyond the last
    offset, if any, are counted too.
    """
    groups = first[0] if len(first) == len(second) == 3 else 1
    return 2 * groups * first[-2] * first[-1] * second[-1]


def _recurrent_flops(
    states: Sequence[int], from_input: Sequence[int], from_state: Sequence[int], *_: Any, **__: Any
) -> int:
    """FLOPs of one layer in one direction: [L, B, I] through all gates' [4H, I] and [4H, H]. On meta it is matmuls."""
    return 2 * prod(states[:-1]) * (prod(from_input) + prod(from_state))


def _four_bit_flops(vectors: Sequence[int], packed: Any, shape: Sequence[int], *_: Any, **__: Any) -> int:
    """FLOPs of [..., K] times the transpose of a packed [N, K]; unpacking is elementwise."""
    del packed
    return 2 * prod(vectors) * shape[0]
