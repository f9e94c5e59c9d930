"""From tokens to rows sorted by expert, through the experts, and back.

Shapes: T tokens, D hidden size, I inner size, E experts, K experts a token, R = T * K rows that the experts are handed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

#: Grouped matmul wants rows whose length in bytes is a multiple of this.
GROUPED_ROW_BYTES = 16


class Weights(NamedTuple):
    """The experts' weights, stacked: [E, I or 2 I, D], [E, I or 2 I], [E, D, I], [E, D]."""

    in_weight: Tensor
    in_bias: Tensor | None
    out_weight: Tensor
    out_bias: Tensor | None


class _Take(torch.autograd.Function):
    """Rows by index, [N, D] to [R, D], where each row is taken ``copies`` times.

    The backward pass takes rows too, in place of adding them up by index: that is one order of addition on every
    device, so that a seed settles the result.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, places: Tensor, copies: int) -> Tensor:
        ctx.save_for_backward(places)
        ctx.copies = copies
        return values.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (places,) = ctx.saved_tensors
        taken = grads[0].index_select(0, places)
        return taken.view(-1, ctx.copies, taken.shape[-1]).sum(1) if ctx.copies > 1 else taken, None, None, None


# Function.apply has no types.
_take: Callable[[Tensor, Tensor, Tensor, int], Tensor] = _Take.apply


class Rows(NamedTuple):
    """Pairs of a token and one of its experts, sorted by expert; those of padding stand behind the last expert.

    Attributes:
        order: the pair of each row, [R].
        places: the row of each pair, [R].
        ends: where the rows of each expert end, int32 [E].
        copies: K.
    """

    order: Tensor
    places: Tensor
    ends: Tensor
    copies: int

    @classmethod
    def sort(cls, chosen: Tensor, num_experts: int, kept: Tensor | None) -> "Rows":
        """Sort the choices [T, K] of all tokens, ``kept`` of which are text."""
        if kept is not None:
            chosen = torch.where(kept.unsqueeze(-1), chosen, num_experts)
        experts, order = chosen.reshape(-1).sort(stable=True)
        positions = torch.arange(order.shape[0], device=order.device)
        places = torch.empty_like(order).scatter_(0, order, positions)
        ids = torch.arange(num_experts, device=order.device)
        return cls(order, places, torch.searchsorted(experts, ids, right=True, out_int32=True), chosen.shape[1])

    def gather(self, tokens: Tensor) -> Tensor:
        """Each row's token: [T, D] to [R, D]."""
        return _take(tokens, self.order // self.copies, self.places, self.copies)

    def scatter(self, rows: Tensor) -> Tensor:
        """The rows in the order of their pairs, [R, D]."""
        return _take(rows, self.places, self.order, 1)


# Two ways to send rows through experts; all map rows [R, D], sorted by expert, to [R, D], and padding to zero.

#: What stands between an expert's matrices, [R, I or 2 I] to [R, I].
Inside = Callable[[Tensor], Tensor]
Path = Callable[[Inside, Tensor, Tensor, Weights], Tensor]


def path_for(values: Tensor, weights: Weights) -> Path:
    """The fastest way for these values, [T, D], and weights."""
    rows_in_bytes = [w.shape[-1] * w.element_size() for w in (weights.in_weight, weights.out_weight)]
    aligned = all(size % GROUPED_ROW_BYTES == 0 for size in rows_in_bytes)
    # In other types, and on a CPU, grouped matmul is itself a loop, with more passes over memory than ours.
    return grouped if values.is_cuda and weights.in_weight.dtype == torch.bfloat16 and aligned else one_by_one


def one_by_one(inside: Inside, rows: Tensor, ends: Tensor, weights: Weights) -> Tensor:
    """One expert after the other, each on its rows."""
    sizes = _sizes(ends, rows)
    # unbind, and not an index: its backward pass puts the gradients together once for all experts
    each = zip(*([None] * ends.shape[0] if w is None else w.unbind() for w in weights), strict=True)
    *parts, padding = rows.split(sizes)
    outputs = [
        F.linear(inside(F.linear(part, in_weight, in_bias)), out_weight, out_bias)
        for size, part, (in_weight, in_bias, out_weight, out_bias) in zip(sizes, parts, each, strict=False)
        if size
    ]
    return torch.cat([*outputs, torch.zeros_like(padding)])


def _sizes(ends: Tensor, rows: Tensor) -> list[int]:
    """How many rows each expert has, and last how many are padding.

    On a meta or fake tensor nobody knows; there the experts share all rows evenly, which costs what any way of sharing
    them out costs.
    """
    count, total = ends.shape[0], rows.shape[0]
    if rows.is_meta or isinstance(rows, FakeTensor):
        stops = [total * (expert + 1) // count for expert in range(count)]
    else:
        stops = ends.tolist()
    return [stop - start for start, stop in zip([0, *stops], [*stops, total], strict=True)]


def grouped(inside: Inside, rows: Tensor, ends: Tensor, weights: Weights) -> Tensor:
    """All experts in one grouped matmul a matrix, which never waits for the device.

    It leaves the rows behind the last expert's, and their gradients, unset: they are masked on the way in, for the
    backward pass, and on the way out.
    """
    ids = torch.arange(rows.shape[0], device=rows.device)
    kept = (ids < ends[-1]).unsqueeze(-1)
    expert_of_row = torch.searchsorted(ends, ids, right=True).clamp(max=ends.shape[0] - 1)

    def linear(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        product = F.grouped_mm(values, weight.transpose(-2, -1), offs=ends)
        return product if bias is None else _add_bias(product, bias, expert_of_row, ends)

    values = linear(torch.where(kept, rows, 0), weights.in_weight, weights.in_bias)
    return torch.where(kept, linear(inside(values), weights.out_weight, weights.out_bias), 0)


class _AddBias(torch.autograd.Function):
    """Add to each row its expert's bias; the gradient leaves out the rows behind the last expert's."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, bias: Tensor, expert_of_row: Tensor, ends: Tensor) -> Tensor:
        ctx.save_for_backward(ends)
        return rows + bias.index_select(0, expert_of_row)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (ends,) = ctx.saved_tensors
        # A sum over the rows of each group: grouped matmul with ones, in as many equal lines as its alignment wants.
        lines = GROUPED_ROW_BYTES // grads[0].element_size()
        ones = grads[0].new_ones(grads[0].shape[0], lines).transpose(0, 1)
        return grads[0], F.grouped_mm(ones, grads[0], offs=ends)[:, 0], None, None


_add_bias: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = _AddBias.apply
