"""Run CUDA's variants of attention, dropout and autocast on fake CPU tensors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional as F

#: Efficient attention reads a mask whose rows are padded to a multiple of this many elements.
MASK_ALIGNMENT = 16


@contextmanager
def cuda_kernels() -> Iterator[None]:
    """Imitate what PyTorch does on a GPU differently from a CPU, as far as memory depends on it.

    A build without CUDA can make fake CUDA tensors but cannot run a backward pass on them. So fake CPU tensors are
    used, with the choices of PyTorch's CUDA backend: fused attention that stores no L x L matrix (flash attention
    without a mask, memory-efficient attention with one or in fp32); a dropout mask of one byte per element; and, under
    autocast, layer normalisation and softmax in fp32.

    The functions are replaced in ``torch.nn.functional`` and not by a TorchFunctionMode, because such a mode is
    inactive in a backward pass, in which gradient checkpointing runs the forward pass again.
    """
    choices: dict[str, Any] = {
        "scaled_dot_product_attention": _attention, "dropout": _dropout, "layer_norm": _in_fp32(F.layer_norm),
        "softmax": _in_fp32(F.softmax),
    }  # fmt: skip
    with patch.multiple(F, **choices), patch.object(FakeTensor, "is_cuda", True, create=True):
        yield


def _in_fp32(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function with inputs cast to fp32, as autocast does on CUDA."""

    def run(input: Tensor, *args: object, **kwargs: object) -> Tensor:
        return function(input.float() if torch.is_autocast_enabled("cpu") else input, *args, **kwargs)

    return run


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    del inplace
    return torch.native_dropout(input, p, train=True)[0] if training and p > 0 else input


def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """Attention on tensors of shape (batch, heads, tokens, head_dim), as torch's function."""
    if attn_mask is None and query.dtype in (torch.bfloat16, torch.float16):
        result = torch.ops.aten._scaled_dot_product_flash_attention(
            query, key, value, dropout_p, is_causal, False, scale=scale
        )
        return result[0]  # type: ignore[no-any-return]
    if enable_gqa:
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    history = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (query, key, value))
    result = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, _bias(attn_mask, query), history, dropout_p, is_causal, scale=scale
    )
    return result[0]  # type: ignore[no-any-return]


def _bias(mask: Tensor | None, query: Tensor) -> Tensor | None:
    """The mask in the kernel's format: additive, with rows padded in memory and one copy for all heads."""
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(mask.logical_not(), float("-inf"))
    keys = mask.shape[-1]
    padding = -keys % MASK_ALIGNMENT
    if padding:
        mask = F.pad(mask, (0, padding))[..., :keys]
    return mask.expand(query.shape[0], query.shape[1], query.shape[2], keys)
