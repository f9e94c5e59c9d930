"""Percentiles of measured times, each with an interval by order statistics."""

from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, bdtrc

from bench.record.timings import LATENCY_BATCHES, Latency

LEVEL = 0.95
Interval = tuple[float, float]


def quantile_interval(ordered: Sequence[float], quantile: float) -> Interval | None:
    """Confidence interval of a quantile from n ordered values, at 95 % or more, without assuming a distribution.

    The number of values below the quantile has a binomial distribution of n trials (Thompson, On Confidence Ranges for
    the Median, Annals of Mathematical Statistics 7, 1936). The interval runs from the r-th to the s-th smallest value,
    each chosen so that the quantile lies beyond it with a probability of at most 2.5 %. If even the largest value is
    exceeded with 2.5 to 5 %, it is the upper end, and the lower end gets what is left of the 5 %.

    Args:
        ordered: values in rising order.
        quantile: quantile as a fraction, e.g. 0.9 for the 90th percentile.

    Returns:
        Lower and upper end; None if there are too few values, for a median below 6.
    """
    count = len(ordered)
    side = (1 - LEVEL) / 2
    upper = next((rank for rank in range(1, count) if bdtrc(rank - 1, count, quantile) <= side), count)
    beyond = float(bdtrc(upper - 1, count, quantile)) if count else 1.0
    left = 1 - LEVEL - max(beyond, side)
    lower = [rank for rank in range(1, upper) if bdtr(rank - 1, count, quantile) <= left]
    return (ordered[lower[-1] - 1], ordered[upper - 1]) if lower and left >= 0 else None


def latency(batch_size: int, seconds: Sequence[float]) -> Latency:
    """Percentiles of the durations of one or more batches, each if there are enough batches for it."""
    ordered = sorted(seconds)
    found: dict[str, float | Interval | None] = {}
    for percent, least in LATENCY_BATCHES.items():
        known = len(ordered) >= least
        found[f"p{percent}_seconds"] = float(np.quantile(ordered, percent / 100)) if known else None
        found[f"p{percent}_interval_seconds"] = quantile_interval(ordered, percent / 100) if known else None
    return Latency.model_validate(found | {"batch_size": batch_size, "timed_batches": len(ordered)})
