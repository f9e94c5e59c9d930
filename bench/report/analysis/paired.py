"""Paired comparison of two methods on the same texts: difference in macro F1, and McNemar's test."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from bench.report.analysis.bootstrap import RESAMPLES, Resampled
from bench.report.analysis.significance import Significance, student_interval, widest
from bench.report.results.predictions import Classes


@dataclass(frozen=True, slots=True)
class Difference:
    """The first method minus the second.

    Attributes:
        texts: number of texts.
        by_seed: difference in macro F1 of each seed.
        low: lower end of the bootstrap interval of the mean.
        high: upper end of the bootstrap interval of the mean.
        seeds_low: lower end of Student's interval of the mean; None for one seed.
        seeds_high: upper end of Student's interval of the mean; None for one seed.
        only_first_right: number of texts that only the first got right, mean over seeds.
        only_second_right: number of texts that only the second got right, mean over seeds.
        p_value: p-value of McNemar's exact test of equal accuracy; None for several seeds.
    """

    texts: int
    by_seed: tuple[float, ...]
    low: float
    high: float
    seeds_low: float | None
    seeds_high: float | None
    only_first_right: float
    only_second_right: float
    p_value: float | None

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return fmean(self.by_seed)

    @property
    def significance(self) -> Significance:
        """The significance of the mean."""
        intervals = {"texts": (self.low, self.high)}
        if self.seeds_low is not None and self.seeds_high is not None:
            intervals["seeds"] = (self.seeds_low, self.seeds_high)
        return widest(intervals)


def difference(
    truth: Classes, first: Classes, second: Classes, num_labels: int, resamples: int = RESAMPLES
) -> Difference:
    """Compare two methods on the same texts.

    Args:
        truth: class of each text, shape [N].
        first: classes predicted by the first method, shape [S, N], one row per seed.
        second: classes predicted by the second method, same shape and seeds.
        num_labels: number of classes C.
        resamples: number of resamples of the bootstrap.

    Raises:
        ValueError: shapes do not match, there are no texts, or a class is out of range.
    """
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"predictions of shapes {first.shape} and {second.shape}")
    seeds = len(first)
    runs = Resampled(truth, np.concatenate([first, second]), num_labels, seeds, resamples)
    return between(runs, range(seeds), range(seeds, 2 * seeds))


def between(runs: Resampled, first: Sequence[int], second: Sequence[int]) -> Difference:
    """Compare two methods among the runs on one test set.

    Args:
        runs: resampled runs.
        first: indices of the first method's runs.
        second: indices of the second method's runs, in the order of the same seeds.
    """
    by_seed = [runs.f1[one] - runs.f1[other] for one, other in zip(first, second, strict=True)]
    low, high = runs.interval(first, minus=second)
    seeds_low, seeds_high = student_interval(by_seed) if len(by_seed) > 1 else (None, None)
    first_right, second_right = (runs.predicted[list(places)] == runs.truth for places in (first, second))
    only_first = (first_right & ~second_right).sum(axis=1)
    only_second = (second_right & ~first_right).sum(axis=1)
    return Difference(
        texts=len(runs.truth), by_seed=tuple(by_seed), low=low, high=high, seeds_low=seeds_low, seeds_high=seeds_high,
        only_first_right=float(only_first.mean()), only_second_right=float(only_second.mean()),
        p_value=mcnemar(int(only_first[0]), int(only_second[0])) if len(by_seed) == 1 else None,
    )  # fmt: skip


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test that two methods are equally accurate.

    It is twice the smaller tail of the binomial distribution with probability 1/2 over the texts that only one method
    got right, instead of the chi-squared approximation of McNemar (Psychometrika 12, 1947, pages 153 to 157).

    Args:
        only_first: number of texts that only the first got right.
        only_second: number of texts that only the second got right.
    """
    total, fewer = only_first + only_second, min(only_first, only_second)
    ways, tail = 1, 0
    for hits in range(fewer + 1):
        tail += ways
        ways = ways * (total - hits) // (hits + 1)
    return min(1.0, 2 * tail / (1 << total))
