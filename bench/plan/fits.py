"""Whether a plan's cells fit into the memory of a GPU."""

import math
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from bench.errors import StudyError
from bench.plan.row import PlanRow

#: Memory of the driver and PyTorch's kernels on a GPU before the first tensor: an estimate, not measured.
CONTEXT_BYTES = 800_000_000
#: Memory that the caching allocator reserves beyond its peak of allocated bytes, as a fraction of that peak. For full
#: training, published measurements are 0.034 to 0.085 (reports/published/gpu_memory), because gradients and optimizer
#: state need blocks of other sizes than those freed before; the value for mostly frozen models is an estimate.
FULL_TRAINING_SLACK, OTHER_SLACK = 0.085, 0.02
#: Fraction of trained weights above which FULL_TRAINING_SLACK applies.
MOSTLY_TRAINED = 0.5
UNITS = {"GB": 10**9, "GiB": 2**30, "MB": 10**6, "MiB": 2**20}


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether one row fits, and the largest batch size that does.

    Attributes:
        limit_bytes: memory of the GPU.
        fits: whether ``reserved_bytes`` plus CONTEXT_BYTES is within the limit; None if no peak is known.
        largest_batch_size: the study's if it fits, else the largest that does; 0 if not even one sequence fits, None if
            unknown.
    """

    limit_bytes: int
    fits: bool | None
    largest_batch_size: int | None


def parse_size(text: str) -> int:
    """``24GB`` or ``23.5 GiB`` in bytes.

    Raises:
        StudyError: the text is not a positive number with a known unit.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*", text)
    units = {unit.lower(): size for unit, size in UNITS.items()}
    size = 0.0 if found is None else float(found[1]) * units.get(found[2].lower(), 0)
    if not 1 <= size < math.inf:
        raise StudyError(f"--fits must be a size such as 24GB, with one of {', '.join(UNITS)}, got {text!r:.60}")
    return int(size)


def fit(row: PlanRow, limit_bytes: int, at_batch: Callable[[int], PlanRow]) -> Fit:
    """Whether a row fits, and which batch size would.

    Args:
        row: row with predicted memory.
        limit_bytes: memory of the GPU.
        at_batch: function that returns the row with another batch size for training and inference.
    """
    if reserved_bytes(row) is None:
        return Fit(limit_bytes, None, None)
    size = row.batch_size if row.trains and row.batch_size is not None else row.inference_batch_size
    if _within(row, limit_bytes):
        return Fit(limit_bytes, True, size)
    return Fit(limit_bytes, False, largest_batch(lambda batch: _within(at_batch(batch), limit_bytes), size + 1))


def largest_batch(fits: Callable[[int], bool], too_large: int) -> int:
    """The largest batch size below ``too_large`` that fits; 0 if none does.

    Args:
        fits: function that tells whether a batch size fits; if one fits, every smaller one must too.
        too_large: exclusive upper bound of the search.
    """
    return bisect_left(range(1, too_large), 1, key=lambda size: int(not fits(size)))


def reserved_bytes(row: PlanRow) -> int | None:
    """The expected reserved memory at the higher of the peaks; None if no peak is known."""
    slack = FULL_TRAINING_SLACK if _mostly_trained(row) else OTHER_SLACK
    reserved = []
    if row.train_memory is not None:
        reserved.append(row.train_memory.peak_bytes * (1 + slack))
    if row.inference_memory is not None:
        reserved.append(row.inference_memory.peak_bytes * (1 + OTHER_SLACK))
    return math.ceil(max(reserved)) if reserved else None


def _mostly_trained(row: PlanRow) -> bool:
    return (row.trainable_params or 0) > MOSTLY_TRAINED * (row.total_params or 1)


def _within(row: PlanRow, limit_bytes: int) -> bool:
    reserved = reserved_bytes(row)
    return reserved is not None and reserved + CONTEXT_BYTES <= limit_bytes
