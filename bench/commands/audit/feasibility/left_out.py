"""How many texts must be left out for a row of binary scores to be possible."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.commands.audit.feasibility.binary import TOLERANCE, Flags, Integers, Matrices, within
from bench.commands.audit.feasibility.printing import Interval

SCORES = ("accuracy", "precision", "recall", "f1")
#: Most texts left out, and most combinations of counts tried.
MOST_LEFT_OUT, MOST_TRIED = 200, 5_000_000


def fewest_left_out(sizes: Sequence[int], printed: Mapping[str, Interval]) -> tuple[int, int] | None:
    """The smallest number of texts of each class without which the scores of one class fit.

    Texts are left out if, for example, their answers could not be parsed. Scores averaged over classes are not tried.

    Args:
        sizes: texts of the two classes.
        printed: intervals of accuracy, precision, recall and f1 by one way of printing.

    Returns:
        Texts left out of the first and second class; None if up to MOST_LEFT_OUT do not help, or a score is missing.
    """
    if any(score not in printed for score in SCORES):
        return None
    first, second = np.meshgrid(*(np.arange(min(MOST_LEFT_OUT, size - 1) + 1) for size in sizes), indexing="ij")
    near = (first + second > 0) & (first + second <= MOST_LEFT_OUT)
    left = np.stack([first[near], second[near]], axis=1)
    fits = np.zeros(len(left), bool)
    for positive in (0, 1):
        fits |= _of_class(np.asarray(sizes) - left, printed, positive)
    if not fits.any():
        return None
    of_first, of_second = min(left[fits].tolist(), key=sum)
    return of_first, of_second


def _of_class(sizes: Integers, printed: Mapping[str, Interval], positive: int) -> Flags:
    """Whether some confusion matrix of given class counts, [splits, 2], prints the scores of one class; [splits]."""
    hits = _candidates(sizes[:, positive], printed["recall"])
    right = _candidates(sizes.sum(axis=1), printed["accuracy"])
    if hits.size * right.shape[1] > MOST_TRIED:
        return np.zeros(len(sizes), bool)
    shape = (len(sizes), hits.shape[1], right.shape[1])
    of_positive = np.broadcast_to(hits[:, :, None], shape)
    of_other = right[:, None, :] - of_positive
    possible = (of_positive <= sizes[:, positive, None, None]) & (of_other >= 0)
    possible &= of_other <= sizes[:, 1 - positive, None, None]
    both = [of_other, of_positive] if positive else [of_positive, of_other]
    where = np.nonzero(possible)
    matrices = Matrices(np.stack(both, axis=-1)[where], sizes[where[0]])
    fits = np.ones(len(matrices.right), bool)
    for score in ("recall", "precision", "f1"):
        fits &= within(matrices.of_classes(score, 0.0)[:, positive], printed[score])
    fits &= within(matrices.right.sum(axis=1) / matrices.sizes.sum(axis=1), printed["accuracy"])
    return np.bincount(where[0][fits], minlength=len(sizes)) > 0


def _candidates(sizes: Integers, span: Interval) -> Integers:
    """Every count that may give a fraction in an interval, [splits, counts], and perhaps some that do not."""
    low, high = map(float, span)
    lowest: Integers = np.ceil(sizes * (low - TOLERANCE)).astype(np.int64)
    found: Integers = lowest[:, None] + np.arange(int(sizes.max() * (high - low + 2 * TOLERANCE)) + 1)
    return found
