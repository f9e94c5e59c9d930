"""Expected best validation F1 of a search by its number of trials."""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from bench.record.tuning import Tuning
from bench.report.analysis.significance import LEVEL

Floats = npt.NDArray[np.float64]
#: Resamples of the bootstrap, and the seed of its generator, so that the same records give the same interval.
RESAMPLES, SEED = 1000, 0
#: F1 of a failed trial.
FAILED = 0.0


class ExpectedBest(NamedTuple):
    """The expected best of a search with so many trials.

    Attributes:
        trials: number of trials n.
        value: expected highest macro F1 of n trials.
        low: lower end of its 95 % interval; None with one trial in all, or if all trials scored the same.
        high: upper end.
    """

    trials: int
    value: float
    low: float | None
    high: float | None


def scores_of(tuning: Tuning) -> list[float]:
    """The validation macro F1 of each trial, in the order of the search; a failed trial has 0.

    A failed trial used budget and left no model. Its score must not be above that of any trial that succeeded, so it is
    not the baseline's, below which a trained model may lie.
    """
    return [FAILED if trial.macro_f1 is None else trial.macro_f1 for trial in tuning.trials]


def expected_best(scores: Sequence[float]) -> list[float]:
    """The expected highest score of n trials, for n from 1 to the number of scores N.

    It is the mean of the highest score over all subsets of n of the N scores, a U-statistic and so unbiased for
    independent trials: with the scores x in increasing order,

        sum over i of C(i - 1, n - 1) / C(N, n) x(i).

    Source: Tang, Lee, Xin, Liu, Yu and Lin, Showing Your Work Doesn't Always Work, ACL 2020, who show that the
    estimator with replacement (Dodge, Gururangan, Card, Schwartz and Smith, Show Your Work, EMNLP 2019) is too low.

    Raises:
        ValueError: there are no scores.
    """
    if not scores:
        raise ValueError("expected best of no trials")
    found: list[float] = (_weights(len(scores)) @ np.sort(np.asarray(scores, dtype=float))).tolist()
    return found


def curve(scores: Sequence[float]) -> list[ExpectedBest]:
    """The expected best for each number of trials, with an interval from the variation between trials.

    The interval is the estimate ± the larger of two margins: from the estimate down to the 2.5 % percentile of the
    bootstrap over trials, and Student's quantile times the bootstrap's standard deviation. A resample never exceeds the
    highest score that was seen, so the bootstrap's own upper end is too low: with n near N its interval holds the
    truth about half of the time. docs/statistics.md has the coverages.

    Args:
        scores: score of each trial, between 0 and 1; see ``scores_of``.

    Raises:
        ValueError: there are no scores.
    """
    values, count = expected_best(scores), len(scores)
    if len(set(scores)) == 1:
        return [ExpectedBest(trials, value, None, None) for trials, value in enumerate(values, start=1)]
    drawn = np.random.default_rng(SEED).integers(0, count, (RESAMPLES, count))
    resampled = np.sort(np.asarray(scores, dtype=float)[drawn], axis=1) @ _weights(count).T
    below = np.asarray(values) - np.quantile(resampled, (1 - LEVEL) / 2, axis=0)
    student = stdtrit(count - 1, (1 + LEVEL) / 2) * resampled.std(axis=0)
    margins = np.maximum(below, student).tolist()
    return [
        ExpectedBest(trials, value, max(0.0, value - margin), min(1.0, value + margin))
        for trials, (value, margin) in enumerate(zip(values, margins, strict=True), start=1)
    ]


@cache
def _weights(count: int) -> Floats:
    """The weight of each order statistic (columns) for each number of trials (rows), shape [N, N]."""
    places = range(1, count + 1)
    return np.array([[math.comb(i - 1, n - 1) / math.comb(count, n) for i in places] for n in places])
