"""Whether a plan's cells fit a card."""

import math
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from bench.errors import StudyError
from bench.plan.row import PlanRow

#: What the driver and PyTorch's kernels hold on a card before the first tensor: an allowance, not measured.
CONTEXT_BYTES = 800_000_000
#: What the caching allocator reserves beyond the peak of what it has handed out, as a share of that peak. Where all
#: weights are trained others measured 0.034 to 0.085 (reports/published/gpu_memory), since gradients and optimizer
#: state come in blocks of other sizes than what is freed before; where most are frozen it is an allowance.
FULL_TRAINING_SLACK, OTHER_SLACK = 0.085, 0.02
#: From this share of trained weights on, it is the first.
MOSTLY_TRAINED = 0.5
UNITS = {"GB": 10**9, "GiB": 2**30, "MB": 10**6, "MiB": 2**20}


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether one row fits.

    Attributes:
        limit_bytes: of the card.
        fits: what the peaks need on the card, see ``reserved_bytes``, and CONTEXT_BYTES are within it; None where no
            peak is known.
        largest_batch_size: the study's where it fits, else the largest that does; 0 where not even one sequence
            fits, None where it is not known.
    """

    limit_bytes: int
    fits: bool | None
    largest_batch_size: int | None


def parse_size(text: str) -> int:
    """``24GB`` or ``23.5 GiB`` in bytes.

    Raises:
        StudyError: no positive number, or an unknown unit.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*", text)
    units = {unit.lower(): size for unit, size in UNITS.items()}
    size = 0.0 if found is None else float(found[1]) * units.get(found[2].lower(), 0)
    if not 1 <= size < math.inf:
        raise StudyError(f"--fits must be a size such as 24GB, with one of {', '.join(UNITS)}, got {text!r:.60}")
    return int(size)


def fit(row: PlanRow, limit_bytes: int, at_batch: Callable[[int], PlanRow]) -> Fit:
    """Whether a row fits, and which batch would.

    Args:
        row: with predicted memory.
        limit_bytes: of the card.
        at_batch: the row with another batch size, for training and inference alike.
    """
    if reserved_bytes(row) is None:
        return Fit(limit_bytes, None, None)
    size = row.batch_size if row.trains else row.inference_batch_size
    if _within(row, limit_bytes):
        return Fit(limit_bytes, True, size)
    return Fit(limit_bytes, False, largest_batch(lambda batch: _within(at_batch(batch), limit_bytes), size + 1))


def largest_batch(fits: Callable[[int], bool], too_large: int) -> int:
    """The largest batch size below ``too_large`` that fits; 0 where none does.

    Args:
        fits: whether a batch size fits; where one does, so does every smaller one.
        too_large: a batch size that is not asked about.
    """
    return bisect_left(range(1, too_large), 1, key=lambda size: int(not fits(size)))


def reserved_bytes(row: PlanRow) -> int | None:
    """What the allocator is expected to reserve for the higher of the peaks; None where no peak is known."""
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
