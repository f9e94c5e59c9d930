"""Dispatch tokens to experts: sort them by expert, compute, and restore the order.

Shapes: T tokens, D hidden size, I inner size, E experts, K experts per token, R = T * K rows for the experts.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

#: Grouped matmul requires rows whose length in bytes is a multiple of this.
GROUPED_ROW_BYTES = 16
#: See ``chunks_of``: the square root of about 4096 rows, which minimises the number of different lengths.
CHUNK_ROWS = 64


class Weights(NamedTuple):
    """The stacked weights of the experts: [E, I or 2 I, D], [E, I or 2 I], [E, D, I], [E, D]."""

    in_weight: Tensor
    in_bias: Tensor | None
    out_weight: Tensor
    out_bias: Tensor | None


class _Take(torch.autograd.Function):
    """Rows by index, [N, D] to [R, D]; each row is taken ``copies`` times.

    The backward pass gathers rows too, instead of adding them by index, so that the order of addition and thus the
    result are deterministic.
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
    """Pairs of a token and one of its experts, sorted by expert; padding comes after the last expert.

    Attributes:
        order: pair of each row, [R].
        places: row of each pair, [R].
        ends: end of each expert's rows, int32 [E].
        copies: K.
    """

    order: Tensor
    places: Tensor
    ends: Tensor
    copies: int

    @classmethod
    def sort(cls, chosen: Tensor, num_experts: int, kept: Tensor | None) -> "Rows":
        """Sort the choices [T, K] of all tokens; ``kept`` [T] is false on padding."""
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


# Two implementations of the experts. Both map rows [R, D], sorted by expert, to [R, D], and padding to zero.

#: The operations between an expert's matrices, [R, I or 2 I] to [R, I].
Inside = Callable[[Tensor], Tensor]
Path = Callable[[Inside, Tensor, Tensor, Weights, torch.dtype], Tensor]


def path_for(values: Tensor, weights: Weights, dtype: torch.dtype) -> Path:
    """The faster implementation for these rows [R, D], weights and dtype."""
    rows_in_bytes = [w.shape[-1] * dtype.itemsize for w in (weights.in_weight, weights.out_weight)]
    aligned = all(size % GROUPED_ROW_BYTES == 0 for size in rows_in_bytes)
    # In other dtypes, and on a CPU, grouped matmul is a loop with more passes over memory than ours.
    return grouped if values.is_cuda and dtype == torch.bfloat16 and aligned else one_by_one


def one_by_one(inside: Inside, rows: Tensor, ends: Tensor, weights: Weights, dtype: torch.dtype) -> Tensor:
    """Loop over the experts and multiply their rows, once for the first matrix and once for the second."""
    chunks = chunks_of(ends, rows)
    values = _each_linear(rows, weights.in_weight, weights.in_bias, chunks, dtype)
    return _each_linear(inside(values), weights.out_weight, weights.out_bias, chunks, dtype)


#: An expert, and some of its rows.
Chunk = tuple[int, slice]


def chunks_of(ends: Tensor, rows: Tensor) -> list[Chunk]:
    """The rows of each expert in order, in one or two parts; experts without rows are left out.

    oneDNN builds a kernel for each new number of rows, which took a quarter of the matmul time of MiniLM's experts. So
    on a CPU one part has a multiple of CHUNK_ROWS and the other has fewer, which leaves few different numbers.

    On a meta or fake tensor the ends are unknown; there all rows are divided evenly, which costs the same as any other
    division.
    """
    count, total = ends.shape[0], rows.shape[0]
    unknown = rows.is_meta or isinstance(rows, FakeTensor)
    stops = [total * (expert + 1) // count for expert in range(count)] if unknown else ends.tolist()
    chunks: list[Chunk] = []
    for expert, (start, stop) in enumerate(zip([0, *stops], stops, strict=False)):
        middle = stop if rows.is_cuda else stop - (stop - start) % CHUNK_ROWS
        chunks += [(expert, part) for part in (slice(start, middle), slice(middle, stop)) if part.start < part.stop]
    return chunks


class _EachLinear(torch.autograd.Function):
    """A linear layer per expert on its own rows; rows after the last expert's become zero.

    Autograd would concatenate the results, split their gradients, and stack the gradients of the weights, each with a
    pass over memory; here each is written in place.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, chunks: list[Chunk], dtype: torch.dtype
    ) -> Tensor:
        rows, weight_there = rows.to(dtype), weight.to(dtype)
        ctx.save_for_backward(rows, weight_there)
        ctx.chunks, ctx.dtypes = chunks, (weight.dtype, None if bias is None else bias.dtype)
        return _multiply_each(rows, weight_there, bias, chunks)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None, None]:
        rows, weight = ctx.saved_tensors
        dtype, bias_dtype = ctx.dtypes
        of_output = grads[0].to(rows.dtype)
        of_rows, of_weight = torch.empty_like(rows), torch.empty_like(weight, dtype=dtype)
        of_bias = None if bias_dtype is None else weight.new_zeros(weight.shape[:2], dtype=bias_dtype)
        begun: set[int] = set()
        for expert, part in ctx.chunks:
            torch.mm(of_output[part], weight[expert], out=of_rows[part])
            product = of_output[part].t() @ rows[part]
            if expert in begun:
                of_weight[expert].add_(product)
            else:
                of_weight[expert].copy_(product)
            if of_bias is not None:
                of_bias[expert] += of_output[part].sum(0, dtype=bias_dtype)
            begun.add(expert)
        for idle in set(range(len(weight))) - begun:
            of_weight[idle].zero_()
        of_rows[_end(ctx.chunks) :].zero_()
        return of_rows, of_weight, of_bias, None, None


_apply_each_linear: Callable[[Tensor, Tensor, Tensor | None, list[Chunk], torch.dtype], Tensor] = _EachLinear.apply


def _each_linear(
    rows: Tensor, weight: Tensor, bias: Tensor | None, chunks: list[Chunk], dtype: torch.dtype
) -> Tensor:  # fmt: skip
    if torch.is_grad_enabled():
        return _apply_each_linear(rows, weight, bias, chunks, dtype)
    return _multiply_each(rows.to(dtype), weight.to(dtype), bias, chunks)


def _multiply_each(rows: Tensor, weight: Tensor, bias: Tensor | None, chunks: list[Chunk]) -> Tensor:
    """Multiply rows [R, in] by weights [E, out, in] of the same dtype."""
    output = rows.new_empty(rows.shape[0], weight.shape[1])
    for expert, part in chunks:
        if bias is None:
            torch.mm(rows[part], weight[expert].t(), out=output[part])
        else:
            torch.addmm(bias[expert].to(rows.dtype), rows[part], weight[expert].t(), out=output[part])
    output[_end(chunks) :].zero_()
    return output


def _end(chunks: list[Chunk]) -> int:
    return chunks[-1][1].stop if chunks else 0


def grouped(inside: Inside, rows: Tensor, ends: Tensor, weights: Weights, dtype: torch.dtype) -> Tensor:
    """All experts in one grouped matmul per matrix, without synchronising the device.

    Grouped matmul leaves the rows after the last expert's, and their gradients, uninitialised, so inputs (for the
    backward pass) and outputs are masked.
    """
    ids = torch.arange(rows.shape[0], device=rows.device)
    kept = (ids < ends[-1]).unsqueeze(-1)
    expert_of_row = torch.searchsorted(ends, ids, right=True).clamp(max=ends.shape[0] - 1)

    def linear(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        product = F.grouped_mm(values.to(dtype), weight.to(dtype).transpose(-2, -1), offs=ends)
        return product if bias is None else _add_bias(product, bias.to(dtype), expert_of_row, ends)

    values = linear(torch.where(kept, rows.to(dtype), 0), weights.in_weight, weights.in_bias)
    return torch.where(kept, linear(inside(values), weights.out_weight, weights.out_bias), 0)


class _AddBias(torch.autograd.Function):
    """Add each expert's bias to its rows; the gradient ignores the rows after the last expert's."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, bias: Tensor, expert_of_row: Tensor, ends: Tensor) -> Tensor:
        ctx.save_for_backward(ends)
        return rows + bias.index_select(0, expert_of_row)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (ends,) = ctx.saved_tensors
        # Sum the rows of each group: grouped matmul with ones, repeated as often as its alignment requires.
        lines = GROUPED_ROW_BYTES // grads[0].element_size()
        ones = grads[0].new_ones(grads[0].shape[0], lines).transpose(0, 1)
        return grads[0], F.grouped_mm(ones, grads[0], offs=ends)[:, 0], None, None


_add_bias: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = _AddBias.apply
