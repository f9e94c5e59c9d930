"""The sequence length that a printed number of FLOPs implies."""

import math
from collections.abc import Callable

from bench.plan.row import PlanRow

#: Forward FLOPs of one sequence of the given number of tokens for a row of the plan; None if unknown.
FlopsAt = Callable[[PlanRow, int], int | None]
PROBES = (64, 128, 256)


def implied_length(row: PlanRow, flops: float, flops_at: FlopsAt | None) -> float | None:
    """The number of tokens at which a forward pass costs the given FLOPs; None if it cannot be determined.

    The cost of a transformer's forward pass is a quadratic function of the length, so three lengths determine it.

    Args:
        row: row of the plan.
        flops: forward FLOPs of one sequence.
        flops_at: forward FLOPs at a given length.
    """
    if flops_at is None:
        return None
    costs = [flops_at(row, tokens) for tokens in PROBES]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(PROBES):
        return None
    (x, y, z), (at_x, at_y, at_z) = PROBES, known
    slope = (at_y - at_x) / (y - x)
    square = ((at_z - at_y) / (z - y) - slope) / (z - x)
    linear = slope - square * (x + y)
    constant = at_x - linear * x - square * x * x - flops
    if square <= 0:
        length = -constant / linear if linear > 0 else math.nan
    else:
        under_root = linear * linear - 4 * square * constant
        length = (math.sqrt(under_root) - linear) / (2 * square) if under_root >= 0 else math.nan
    return length if math.isfinite(length) and length > 0 else None
