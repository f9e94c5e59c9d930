"""Two methods on the same texts: the difference in macro F1 with its interval, and which of them is right where."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Classes = NDArray[np.int64]
Verdict = Literal["first higher", "second higher", "not told apart"]

RESAMPLES = 10_000
LEVEL = 0.95
#: The same draws in every report: it is redrawn to the last digit, as long as numpy draws alike.
RNG_SEED = 0
#: Texts drawn at a time; 40 bytes each.
DRAWS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Difference:
    """The first method against the second.

    Attributes:
        texts: that both predicted.
        by_seed: macro F1 of the first minus that of the second, for each seed.
        low: end of the bootstrap interval of their mean.
        high: its other end.
        seeds_low: end of Student's interval of their mean; None where there is one seed.
        seeds_high: its other end.
        only_first_right: texts, mean over seeds.
        only_second_right: texts, mean over seeds.
        p_value: McNemar's exact test of equal accuracy; None where there are several seeds.
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
    def verdict(self) -> Verdict:
        """What the intervals say together: a method is higher where each of them leaves 0 out, on the same side."""
        low, high = self.low, self.high
        if self.seeds_low is not None and self.seeds_high is not None:
            low, high = min(low, self.seeds_low), max(high, self.seeds_high)
        if low > 0:
            return "first higher"
        return "second higher" if high < 0 else "not told apart"


def difference(
    truth: Classes, first: Classes, second: Classes, num_labels: int, resamples: int = RESAMPLES
) -> Difference:
    """Compare two methods on the same texts.

    Args:
        truth: class of each text, shape [N].
        first: classes that the first method predicts, shape [S, N]; a row is a seed.
        second: those of the second, its rows of the same seeds.
        num_labels: number of classes C.
        resamples: of the bootstrap.

    Raises:
        ValueError: shapes that do not fit, no texts, or a class out of range.
    """
    if first.ndim != 2 or first.shape != second.shape or first.shape[1:] != truth.shape or not first.size:
        raise ValueError(f"predictions of shapes {first.shape} and {second.shape} for texts of shape {truth.shape}")
    if any(classes.min() < 0 or classes.max() >= num_labels for classes in (truth, first, second)):
        raise ValueError(f"classes must be at least 0 and below {num_labels}")
    runs = zip(first, second, strict=True)
    by_seed = [macro_f1(truth, one, num_labels) - macro_f1(truth, other, num_labels) for one, other in runs]
    counted = _Counted(truth, first, second, num_labels)
    sampled = counted.resampled(resamples, np.random.default_rng(RNG_SEED))
    low, high = np.quantile(sampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    seeds_low, seeds_high = student_interval(by_seed) if len(by_seed) > 1 else (None, None)
    first_right, second_right = first == truth, second == truth
    only_first = (first_right & ~second_right).sum(axis=1)
    only_second = (second_right & ~first_right).sum(axis=1)
    return Difference(
        texts=len(truth),
        by_seed=tuple(by_seed),
        low=float(low),
        high=float(high),
        seeds_low=seeds_low,
        seeds_high=seeds_high,
        only_first_right=float(only_first.mean()),
        only_second_right=float(only_second.mean()),
        p_value=mcnemar(int(only_first[0]), int(only_second[0])) if len(by_seed) == 1 else None,
    )


def student_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Interval of the mean of paired differences: mean ± t(0.975, S - 1) s / sqrt(S) of S of them.

    Student (The Probable Error of a Mean, Biometrika 6, 1908, pages 1 to 25): exact at any number of seeds where the
    differences are independent and normally distributed. Without spread it has no width.

    Args:
        differences: one for each seed, two or more.
    """
    mean, count = fmean(differences), len(differences)
    margin = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * stdev(differences) / math.sqrt(count)
    return mean - margin, mean + margin


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of McNemar's test that two methods are equally accurate, exact at any number of texts.

    Of the texts that one method alone gets right, each is as likely the first's as the second's: twice the smaller tail
    of the binomial distribution with probability 1/2, in place of the chi-squared approximation of McNemar
    (Psychometrika 12, 1947, pages 153 to 157).

    Args:
        only_first: texts that only the first got right.
        only_second: texts that only the second got right.
    """
    total, fewer = only_first + only_second, min(only_first, only_second)
    ways, tail = 1, 0
    for hits in range(fewer + 1):
        tail += ways
        ways = ways * (total - hits) // (hits + 1)
    return min(1.0, 2 * tail / (1 << total))


def macro_f1(truth: Classes, predicted: Classes, num_labels: int) -> float:
    """Mean over classes of F1 = 2 TP / (actual + predicted); a class that is in neither counts 0.

    Args:
        truth: class of each text, shape [N].
        predicted: predicted class of each text, shape [N].
        num_labels: number of classes C.
    """
    counts = [np.bincount(of, minlength=num_labels) for of in (truth, predicted, truth[truth == predicted])]
    actual, guessed, right = (count.astype(np.float64) for count in counts)
    return float(_mean_f1(right, actual, guessed))


def _mean_f1(
    right: NDArray[np.float64], actual: NDArray[np.float64], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean over the last axis, which counts texts by class."""
    both = actual + predicted
    return np.asarray(np.divide(2 * right, both, out=np.zeros_like(both), where=both > 0).mean(axis=-1))


class _Counted:
    """Both methods' hits and predictions as columns that a product with weights of texts turns into counts."""

    def __init__(self, truth: Classes, first: Classes, second: Classes, num_labels: int) -> None:
        actual = _one_hot(truth, num_labels)
        predicted = [_one_hot(one, num_labels) for one in (*first, *second)]
        self.num_texts, self.num_seeds, self.num_labels = len(truth), len(first), num_labels
        self.columns = np.concatenate([actual, *predicted, *(actual * one for one in predicted)], axis=1)

    def differences(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """First minus second, shape [R, S], where a text counts as often as weights, shape [R, N], say."""
        # Counts are whole numbers below 2**24, which float32 holds exactly.
        counts = (weights @ self.columns).astype(np.float64).reshape(len(weights), -1, self.num_labels)
        actual, predicted, right = np.split(counts, [1, 1 + 2 * self.num_seeds], axis=1)
        f1 = _mean_f1(right, np.broadcast_to(actual, right.shape), predicted)
        return np.asarray(f1[:, : self.num_seeds] - f1[:, self.num_seeds :])

    def resampled(self, resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Mean difference over seeds in each resample, shape [resamples].

        A percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13) of the test
        set, paired: texts are drawn with replacement, the same for both methods (Koehn, Statistical Significance Tests
        for Machine Translation Evaluation, 2004, W04-3250) and for all seeds, since all of them predicted one test set.

        Where there are several seeds, pairs of runs of one seed are drawn with replacement as well: another seed would
        have given other predictions, and texts alone cannot tell how much. Where seeds matter most, few of them make
        the interval too narrow: with 2 or 3 it then leaves 0 out whenever all seeds agree. Hence Student's interval
        beside it, which in turn is too narrow where texts matter most: a verdict needs both.
        """
        seeds = rng.integers(0, self.num_seeds, (resamples, self.num_seeds))
        shares = _occurrences(seeds, self.num_seeds) / self.num_seeds
        means = np.empty(resamples)
        at_once = max(1, min(resamples, DRAWS_AT_ONCE // max(self.columns.shape)))
        for start in range(0, resamples, at_once):
            part = slice(start, min(start + at_once, resamples))
            texts = rng.integers(0, self.num_texts, (part.stop - part.start, self.num_texts))
            weights = _occurrences(texts, self.num_texts).astype(np.float32)
            means[part] = (self.differences(weights) * shares[part]).sum(axis=1)
        return means


def _one_hot(classes: Classes, num_labels: int) -> NDArray[np.float32]:
    return np.eye(num_labels, dtype=np.float32)[classes]


def _occurrences(drawn: Classes, num_values: int) -> Classes:
    """How often each value is in each row, shape [R, values]."""
    rows = np.arange(len(drawn))[:, None] * num_values
    return np.bincount((drawn + rows).ravel(), minlength=len(drawn) * num_values).reshape(-1, num_values)
