"""Paired comparison of two methods on the same texts: macro F1, McNemar's test, and the probability to win."""

from dataclasses import dataclass
from statistics import fmean

from bench.report.analysis.macro_f1 import contributions, macro_f1
from bench.report.analysis.outperforming import Outperforming, outperforming
from bench.report.analysis.significance import Estimate
from bench.report.analysis.variance import over_texts_and_seeds
from bench.report.results.predictions import Classes


@dataclass(frozen=True, slots=True)
class Difference:
    """The first method minus the second.

    Attributes:
        texts: number of texts.
        by_seed: difference in macro F1 of each seed.
        estimate: mean difference, with the variation between texts and, for several seeds, between seeds.
        sides: mean macro F1 of the first and of the second method.
        only_first_right: number of texts that only the first got right, mean over seeds.
        only_second_right: number of texts that only the second got right, mean over seeds.
        p_value: p-value of McNemar's exact test of equal accuracy; None for several seeds.
        outperforming: probability that one run of the first method scores higher than one of the second; None for one
            seed.
    """

    texts: int
    by_seed: tuple[float, ...]
    estimate: Estimate
    sides: tuple[Estimate, Estimate]
    only_first_right: float
    only_second_right: float
    p_value: float | None
    outperforming: Outperforming | None

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return fmean(self.by_seed)

    @property
    def low(self) -> float:
        """Lower end of the mean's 95 % interval."""
        return self.estimate.interval[0]

    @property
    def high(self) -> float:
        """Upper end of the mean's 95 % interval."""
        return self.estimate.interval[1]


def difference(truth: Classes, first: Classes, second: Classes, num_labels: int) -> Difference:
    """Compare two methods on the same texts.

    Args:
        truth: class of each text, shape [N].
        first: classes predicted by the first method, shape [S, N], one row per seed.
        second: classes predicted by the second method, same shape and seeds.
        num_labels: number of classes C.

    Raises:
        ValueError: shapes do not match, there are no texts, or a class is out of range.
    """
    if first.shape != second.shape:
        raise ValueError(f"predictions of shapes {first.shape} and {second.shape}")
    ours, theirs = (contributions(truth, predicted, num_labels) for predicted in (first, second))
    only_first = ((first == truth) & (second != truth)).sum(axis=1)
    only_second = ((second == truth) & (first != truth)).sum(axis=1)
    by_seed = [macro_f1(truth, one, num_labels) - macro_f1(truth, other, num_labels)
               for one, other in zip(first, second, strict=True)]  # fmt: skip
    return Difference(
        texts=len(truth), by_seed=tuple(by_seed), estimate=over_texts_and_seeds(ours - theirs),
        sides=(over_texts_and_seeds(ours), over_texts_and_seeds(theirs)),
        only_first_right=float(only_first.mean()), only_second_right=float(only_second.mean()),
        p_value=mcnemar(int(only_first[0]), int(only_second[0])) if len(by_seed) == 1 else None,
        outperforming=outperforming(by_seed) if len(by_seed) > 1 else None,
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
