"""Grouped matmuls: shapes as PyTorch's own kernel gives them, and known FLOPs forward and backward."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.measure.flops import dispatched, traced
from bench.measure.flops.grouped import GroupedMatmulShapes, output_shape

ROWS, IN, INNER, OUT, GROUPS = 24, 32, 64, 16, 4
ENDS = [8, 8, 16, 24]  # the second group is empty


@pytest.mark.parametrize(
    ("first", "second", "grouped"),
    [
        ((24, 32), (4, 32, 64), True), ((4, 16, 32), (32, 24), True), ((16, 24), (24, 32), True),
        ((4, 16, 32), (4, 32, 64), False),
    ],
    ids=["rows", "columns", "inner", "batched"],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_shapes_are_those_of_the_kernel(
    first: tuple[int, ...], second: tuple[int, ...], grouped: bool, dtype: torch.dtype
) -> None:
    ends = torch.tensor(ENDS, dtype=torch.int32) if grouped else None
    real = F.grouped_mm(torch.ones(first, dtype=dtype), torch.ones(second, dtype=dtype), offs=ends)
    assert output_shape(first, second, GROUPS if grouped else None) == real.shape
    operands = [torch.empty(shape, dtype=dtype, device="meta") for shape in (first, second)]
    with GroupedMatmulShapes():
        found = F.grouped_mm(*operands, offs=None if ends is None else ends.to("meta"))
    assert (found.shape, found.dtype, found.device.type) == (real.shape, dtype, "meta")


class Experts(nn.Module):
    """Rows of known groups through two grouped matmuls; the embedding is trained if asked."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, IN, dtype=dtype)
        self.first = nn.Parameter(torch.empty(GROUPS, IN, INNER, dtype=dtype))
        self.second = nn.Parameter(torch.empty(GROUPS, INNER, OUT, dtype=dtype))

    def forward(self, input_ids: Tensor) -> SimpleNamespace:
        rows = self.embedding(input_ids).flatten(0, 1)
        ends = torch.arange(GROUPS, device=rows.device, dtype=torch.int32)
        return SimpleNamespace(logits=F.grouped_mm(F.grouped_mm(rows, self.first, offs=ends), self.second, offs=ends))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_known_answer(dtype: torch.dtype) -> None:
    """Each row is multiplied once per matrix; backward, once for its own gradient and once for the matrix's."""
    with torch.device("meta"):
        model = Experts(dtype)
    first, second = 2 * ROWS * IN * INNER, 2 * ROWS * INNER * OUT
    assert dispatched.count_forward(model, ROWS).forward_flops == first + second
    assert traced.count_forward(model, ROWS) == first + second
    assert dispatched.count_training(model, ROWS) == 3 * (first + second)
    model.embedding.requires_grad_(False)
    assert dispatched.count_training(model, ROWS) == 3 * (first + second) - first
    model.first.requires_grad_(False)
    assert dispatched.count_training(model, ROWS) == first + 2 * second
