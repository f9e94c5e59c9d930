"""Intervals of several differences that are judged together."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from bench.report.analysis.significance import Interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate with the noise of its mean.

    Attributes:
        value: estimated difference.
        error: standard error, in the unit of the value.
        freedom: degrees of freedom of the standard error.
    """

    value: float
    error: float
    freedom: float

    @property
    def tail(self) -> float:
        """One-sided p-value of Student's test that the difference is 0."""
        if not self.error:
            return 0.5 if not self.value else 0.0
        return float(stdtr(self.freedom, -abs(self.value) / self.error))

    def interval(self, tail: float) -> Interval:
        """Student's interval that misses the true value on each side with this probability."""
        margin = float(stdtrit(self.freedom, 1 - tail)) * self.error
        return self.value - margin, self.value + margin


def holm(estimates: Sequence[Estimate], error_rate: float) -> list[Interval]:
    """Intervals of a family of differences, in their order; those that exclude 0 are significant together.

    If no true difference is other than 0, the probability that any interval excludes 0 is at most the error rate,
    whatever the correlation of the estimates (Holm, A Simple Sequentially Rejective Multiple Test Procedure,
    Scandinavian Journal of Statistics 6, 1979, pages 65 to 70). Each interval has the level of its step.

    Args:
        estimates: differences.
        error_rate: two-sided probability of any false finding.
    """
    intervals: dict[int, Interval] = {}
    left = len(estimates)
    stopped = False
    for at in sorted(range(len(estimates)), key=lambda one: estimates[one].tail):
        tail = error_rate / 2 / left
        intervals[at] = estimates[at].interval(tail)
        stopped = stopped or estimates[at].tail >= tail
        left -= not stopped
    return [intervals[at] for at in range(len(estimates))]
