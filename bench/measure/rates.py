"""Rates over windows of consecutive steps: median and confidence interval."""

from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr

from bench.record.record import Estimate, Latency

#: Minimum number of windows, if there are as many steps.
WINDOWS = 20
LEVEL = 0.95
#: With fewer batches the 99th percentile would be the slowest one.
P99_BATCHES = 100


def windowed_rate(amounts: Sequence[int], seconds: Sequence[float]) -> Estimate | None:
    """Median over windows of the amount per second; None without steps.

    A window is a run of consecutive steps, long enough to give 20 to 39 windows; below 40 steps it is one step. Steps
    at the end that do not fill a window are left out.

    Args:
        amounts: samples or tokens of each step.
        seconds: duration of each step.
    """
    steps = len(seconds)
    if not steps:
        return None
    size = max(1, steps // WINDOWS)
    windows = steps // size
    done, took = (
        np.asarray(of[: windows * size], dtype=np.float64).reshape(windows, size) for of in (amounts, seconds)
    )
    if not (took.sum(axis=1) > 0).all():
        return None
    rates = np.sort(done.sum(axis=1) / took.sum(axis=1))
    low, high = median_interval(rates.tolist())
    return Estimate(median=float(np.median(rates)), low=low, high=high, windows=windows, window_steps=size)


def median_interval(ordered: Sequence[float]) -> tuple[float, float] | tuple[None, None]:
    """Confidence interval of the median from n ordered values, at 95 % or more, without assuming a distribution.

    It runs from the r-th smallest to the r-th largest value, for the largest r such that a binomial distribution of n
    trials with probability 1/2 gives at most 2.5 % to fewer than r (Thompson, On Confidence Ranges for the Median,
    Annals of Mathematical Statistics 7, 1936). Below 6 values there is none.
    """
    count = len(ordered)
    ranks = [rank for rank in range(1, count // 2 + 1) if bdtr(rank - 1, count, 0.5) <= (1 - LEVEL) / 2]
    return (ordered[ranks[-1] - 1], ordered[-ranks[-1]]) if ranks else (None, None)


def latency(batch_size: int, seconds: Sequence[float]) -> Latency:
    """Percentiles of the durations of one or more batches."""
    p50, p90, p99 = (float(value) for value in np.quantile(seconds, (0.5, 0.9, 0.99)))
    return Latency(
        batch_size=batch_size, timed_batches=len(seconds), p50_seconds=p50, p90_seconds=p90,
        p99_seconds=p99 if len(seconds) >= P99_BATCHES else None,
    )  # fmt: skip
