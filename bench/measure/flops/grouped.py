"""Grouped matmuls on the meta device, in any precision."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class GroupedMatmulShapes(TorchDispatchMode):
    """While active, a grouped matmul gives an empty tensor of the right shape and computes nothing.

    For meta and fake tensors only, and there for plugins: the experts that ship are plain matmuls then. PyTorch 2.13
    gives such tensors a shape in bfloat16 alone and raises in every other dtype, though its CPU kernel takes fp32; this
    mode may go when the meta kernel of ``aten::_grouped_mm`` accepts fp32.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
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
    """Shape of what ``torch.nn.functional.grouped_mm`` returns.

    [M, K] x [G, K, N] and [G, M, K] x [K, N] give [M, N]; [M, K] x [K, N], whose K is cut into groups, and
    [G, M, K] x [G, K, N] give [G, M, N].

    Args:
        first: shape of the left operand.
        second: shape of the right operand.
        groups: number of offsets, or None where there are none because both operands have a dimension of groups.
    """
    matrix = (first[-2], second[-1])
    if len(first) == len(second):
        return (first[0] if len(first) == 3 else int(groups or 0), *matrix)
    return matrix
