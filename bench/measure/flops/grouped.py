"""Grouped matmuls on the meta device, in any dtype."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class GroupedMatmulShapes(TorchDispatchMode):
    """While active, a grouped matmul returns an empty tensor of the right shape and computes nothing.

    This is for meta and fake tensors of plugins; the experts that ship use plain matmuls there. For such tensors
    PyTorch 2.13 supports only bfloat16, although its CPU kernel accepts fp32. Remove this mode when the meta kernel of
    ``aten::_grouped_mm`` accepts fp32.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not torch.ops.aten._grouped_mm.default:
            return func(*args, **kwargs)
        first, second, *rest = args
        offsets = kwargs.get("offs", rest[0] if rest else None)
        groups = None if offsets is None else offsets.shape[0]
        return first.new_empty(
            output_shape(first.shape, second.shape, groups), dtype=kwargs.get("out_dtype") or first.dtype
        )


def output_shape(first: Sequence[int], second: Sequence[int], groups: int | None) -> tuple[int, ...]:
    """Shape of the result of ``torch.nn.functional.grouped_mm``.

    [M, K] x [G, K, N] and [G, M, K] x [K, N] give [M, N]; [M, K] x [K, N], whose K is cut into groups, and
    [G, M, K] x [G, K, N] give [G, M, N].

    Args:
        first: shape of the left operand.
        second: shape of the right operand.
        groups: number of offsets; None without offsets, if both operands have a group dimension.
    """
    matrix = (first[-2], second[-1])
    if len(first) == len(second):
        return (first[0] if len(first) == 3 else int(groups or 0), *matrix)
    return matrix
