"""The sequence length that a printed number of FLOPs implies."""

import math
from collections.abc import Callable

from bench.plan.row import PlanRow

#: Forward FLOPs of one sequence of so many tokens under a row of the plan; None where that is not known.
FlopsAt = Callable[[PlanRow, int], int | None]
PROBES = (64, 128, 256)


def implied_length(row: PlanRow, flops: float, flops_at: FlopsAt | None) -> float | None:
    """The number of tokens at which a forward pass costs so many FLOPs; None where that cannot be said.

    A transformer's forward pass is a quadratic in the length: linear layers cost in proportion, attention with the
    square. Three lengths determine it.

    Args:
        row: of the plan.
        flops: of one sequence, forward.
        flops_at: the cost of a given length.
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
