"""Tests whether step times are stationary: end of warm-up, drift and disturbances of a timed pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu

from bench.measure.explained_time import explained_seconds

#: Steps of each of the two windows that are compared to find the end of warm-up.
WARMUP_WINDOW_STEPS = 8
#: Warm-up is over when the earlier window is not slower than the later one at this significance level.
WARMUP_LEVEL = 0.05
#: Minimum number of steps for the drift test.
DRIFT_STEPS = 12
DRIFT_LEVEL = 0.01
#: A step is disturbed if it takes more than this multiple of what its size explains.
DISTURBED_RATIO = 1.5


def warmed_up(seconds: Sequence[float], padded_tokens: Sequence[int]) -> bool:
    """Whether the steps so far show that warm-up is over.

    Of the last 16 steps, the first 8 must not be slower than the last 8: one-sided test of Mann and Whitney (On a Test
    of Whether one of Two Random Variables is Stochastically Larger than the Other, Annals of Mathematical Statistics
    18, 1947) on the seconds per padded token, at the 5 % level. It detects steps that take 1.5 times as long, but not a
    slow ramp.

    Args:
        seconds: duration of each step, in order.
        padded_tokens: padded tokens of each step.
    """
    count = 2 * WARMUP_WINDOW_STEPS
    if len(seconds) < count:
        return False
    start = len(seconds) - count
    per_token = np.asarray(seconds[start:]) / np.maximum(padded_tokens[start : start + count], 1)
    before, after = per_token[:WARMUP_WINDOW_STEPS], per_token[WARMUP_WINDOW_STEPS:]
    return bool(mannwhitneyu(before, after, alternative="greater").pvalue > WARMUP_LEVEL)


@dataclass(frozen=True, slots=True)
class Drift:
    """Steadiness of a timed pass, adjusted for batch sizes.

    Attributes:
        fraction: median time of the later half divided by that of the earlier half, minus 1.
        p_value: p-value of the two-sided Mann-Whitney test that both halves are equal.
        disturbed_fraction: share of steps that took over 1.5 times what their size explains.
        lost_fraction: share of the total time that these steps took beyond what their size explains.
    """

    fraction: float
    p_value: float
    disturbed_fraction: float
    lost_fraction: float

    @property
    def significant(self) -> bool:
        """Whether the halves differ at the 1 % level."""
        return self.p_value < DRIFT_LEVEL


def drift(seconds: Sequence[float], samples: Sequence[int], padded_tokens: Sequence[int]) -> Drift | None:
    """Steadiness of the steps of a pass; None below 12 steps.

    Args:
        seconds: duration of each step, in order.
        samples: sequences of each step.
        padded_tokens: padded tokens of each step.
    """
    if len(seconds) < DRIFT_STEPS:
        return None
    times = np.asarray(seconds, dtype=np.float64)
    explained = explained_seconds(seconds, samples, padded_tokens)
    ratios = times / explained
    explained = explained * np.median(ratios)
    disturbed = times > DISTURBED_RATIO * explained
    earlier, later = np.array_split(ratios, 2)
    return Drift(
        fraction=float(np.median(later) / np.median(earlier) - 1), p_value=float(mannwhitneyu(earlier, later).pvalue),
        disturbed_fraction=float(disturbed.mean()),
        lost_fraction=float((times - explained)[disturbed].sum() / times.sum()),
    )  # fmt: skip
