"""The part of a step's time that the size of its batch explains."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Number of fits, each without the outliers of the one before, and the outlier threshold in standard deviations.
FIT_PASSES, OUTLIER_DEVIATIONS = 3, 4.0
#: Standard deviations per median absolute deviation of a normal distribution.
DEVIATIONS_PER_MAD = 1.4826
#: Minimum number of steps of a fit.
FIT_STEPS = 6


def explained_seconds(seconds: Sequence[float], samples: Sequence[int], padded_tokens: Sequence[int]) -> Floats:
    """Seconds of each step by its size: a constant, a term per token, and a term per pair of attending tokens.

    Least squares, fitted again without outliers; the median replaces fitted values that are not positive.

    Args:
        seconds: duration of each step.
        samples: sequences of each step.
        padded_tokens: padded tokens of each step.
    """
    times, tokens = np.asarray(seconds, dtype=np.float64), np.asarray(padded_tokens)
    attended = tokens * (tokens / np.maximum(samples, 1))
    terms = np.stack([np.ones(len(times)), tokens, attended], axis=1)
    terms = terms / np.maximum(np.abs(terms).max(axis=0), 1)
    kept = np.ones(len(times), dtype=bool)
    fitted = np.full(len(times), np.median(times))
    for _ in range(FIT_PASSES):
        weights = np.linalg.lstsq(terms[kept], times[kept], rcond=None)[0]
        fitted = terms @ weights
        residuals = times - fitted
        deviation = DEVIATIONS_PER_MAD * np.median(np.abs(residuals[kept] - np.median(residuals[kept])))
        kept = np.abs(residuals) <= OUTLIER_DEVIATIONS * deviation + np.finfo(np.float64).eps
        if kept.sum() < FIT_STEPS:
            break
    return np.where(fitted > 0, fitted, np.median(times))
