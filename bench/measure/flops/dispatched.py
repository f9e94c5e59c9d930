"""FLOPs counted at dispatch, as each operator is called: the first of three ways."""

from collections.abc import Callable, Iterator, Sequence
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
        model: adapted model on the meta device, so that nothing is computed.
        sequence_length: tokens of the sequence; virtual tokens of a prompt method come on top.
        kind: kind of the model; a causal model computes the logits of the last position only.
    """
    # Without gradients, torch's counter refuses a module with a trainable table as input (DeBERTa).
    with in_mode(model, training=False), _counting() as counter, torch.enable_grad():
        model(input_ids=token_ids(model, sequence_length), **call_options(kind))
    return Flops(forward_flops=counter.get_total_flops(), sequence_length=sequence_length)


def count_training(model: nn.Module, sequence_length: int, kind: ModelKind = "encoder") -> int:
    """FLOPs of one forward and one backward pass; see ``count_passes``."""
    return count_passes(model, sequence_length, kind)[1]


def count_passes(model: nn.Module, sequence_length: int, kind: ModelKind = "encoder") -> tuple[int, int]:
    """FLOPs of a forward pass, and of a forward and backward pass: one sequence, batch 1, in training mode.

    The backward pass really runs, so gradients that frozen weights make unnecessary are not counted: their own, and the
    input gradients below the lowest trained weight. Attention runs as plain matmuls, so recomputation in a fused kernel
    is not counted; recomputation by gradient checkpointing is, if the model uses it. The loss is the cross entropy of
    the logits; the loss, the optimizer and a method's extra loss contain no matmul.

    Args:
        model: adapted model on the meta device; its gradients are dropped.
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


def _without_padding(decides: Callable[..., bool]) -> Callable[..., bool]:
    """A function that decides from a padding mask, as it decides without one."""
    return lambda _, *args, **kwargs: decides(None, *args, **kwargs)


@contextmanager
def _counting() -> Iterator[FlopCounterMode]:
    with ExitStack() as stack:
        # transformers searches the values of position ids for several texts packed into one sequence. Here is one
        # text, and meta tensors have no values; fake tensors would avoid the search but take longer.
        stack.enter_context(patch.object(masking_utils, "find_packed_sequence_indices", lambda *_: None))
        # It searches a mask that a model makes itself for padding, to leave it out.
        for name in ("_ignore_causal_mask_sdpa", "_ignore_bidirectional_mask_sdpa"):
            stack.enter_context(patch.object(masking_utils, name, _without_padding(getattr(masking_utils, name))))
        # It searches the token ids of some models (DeBERTa, GPT-2) for padding, to warn about a missing mask.
        stack.enter_context(patch.object(PreTrainedModel, "warn_if_padding_and_no_attention_mask", lambda *_: None))
        # torch has a formula for matmuls but not for every device's fused attention kernel.
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(GroupedMatmulShapes())
        yield stack.enter_context(FlopCounterMode(display=False, custom_mapping=_formulas()))


def _formulas() -> dict[Any, Any]:
    """Formulas that torch's counter lacks: grouped matmuls, the CPU's LSTM, and 4-bit matmuls of bitsandbytes."""
    formulas: dict[Any, Any] = {
        torch.ops.aten._grouped_mm: _grouped_flops,
        torch.ops.aten.mkldnn_rnn_layer: _recurrent_flops,
    }
    for name in ("gemm_4bit", "gemv_4bit"):
        if hasattr(torch.ops.bitsandbytes, name):
            formulas[getattr(torch.ops.bitsandbytes, name)] = _four_bit_flops
    return formulas


def _grouped_flops(first: Sequence[int], second: Sequence[int], *_: Any, **__: Any) -> int:
    """FLOPs of ``aten::_grouped_mm``, forward or backward: 2MKN, times the groups for two 3-D operands.

    With offsets each row (or column, or slice of K) belongs to one group and is multiplied once; rows beyond the last
    offset are counted too.
    """
    groups = first[0] if len(first) == len(second) == 3 else 1
    return 2 * groups * first[-2] * first[-1] * second[-1]


def _recurrent_flops(
    states: Sequence[int], from_input: Sequence[int], from_state: Sequence[int], *_: Any, **__: Any
) -> int:
    """FLOPs of one LSTM layer in one direction: [L, B, I] times all gates' [4H, I] and [4H, H]. Meta uses matmuls."""
    return 2 * prod(states[:-1]) * (prod(from_input) + prod(from_state))


def _four_bit_flops(vectors: Sequence[int], packed: Any, shape: Sequence[int], *_: Any, **__: Any) -> int:
    """FLOPs of [..., K] times the transpose of a packed [N, K]; unpacking is elementwise."""
    del packed
    return 2 * prod(vectors) * shape[0]
