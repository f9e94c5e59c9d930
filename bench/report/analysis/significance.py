"""The decision whether two numbers differ, and the intervals that it is based on.

Two tests are separate on purpose, because their numbers have no sampling error: whether a printed number agrees with a
planned one after rounding (``tunebench audit``), and whether counts of FLOPs agree (``measure/flops/agreement``).
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from scipy.special import chdtri, nctdtrinc, stdtr, stdtrit

from bench.text.tables.table import Rank

LEVEL = 0.95
#: Probability with which a difference of the size ``Decision.detectable`` is found.
POWER = 0.8
Interval = tuple[float, float]
Direction = Literal["higher", "lower", "no significant difference", "unknown"]
ONE_SEED = "one seed, so the variation between seeds is unknown"


class StandardError(NamedTuple):
    """A standard error and its degrees of freedom."""

    size: float
    degrees_of_freedom: float

    def times_t(self, share: float) -> float:
        """The standard error times a quantile of Student's distribution (Student, Biometrika 6, 1908)."""
        return float(stdtrit(self.degrees_of_freedom, share)) * self.size

    def p_value(self, value: float) -> float:
        """Two-sided p-value of Student's test that the true mean is 0."""
        if not self.size:
            return 0.0 if value else 1.0
        return float(2 * stdtr(self.degrees_of_freedom, -abs(value) / self.size))

    def detectable(self, level: float) -> float:
        """The true mean that a two-sided test at this level finds with probability POWER.

        It is the noncentrality of the t distribution (Johnson and Welch, Applications of the Non-Central
        t-Distribution, Biometrika 31, 1940, pages 362 to 389), times the standard error, which is divided by the median
        of its distribution because it is more often too small than too large.
        """
        degrees = self.degrees_of_freedom
        noncentrality = nctdtrinc(degrees, 1 - POWER, stdtrit(degrees, 1 - level / 2))
        return float(noncentrality * self.size / math.sqrt(chdtri(degrees, 0.5) / degrees))


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated mean or mean difference.

    Attributes:
        value: the mean.
        errors: its standard errors, one or more; the interval is the widest of theirs, and the p-value the largest.
        sources: sources of variation that the standard errors hold: texts, seeds, or both.
    """

    value: float
    errors: tuple[StandardError, ...]
    sources: tuple[str, ...]

    @property
    def interval(self) -> Interval:
        """The 95 % interval: mean ± t(0.975, degrees of freedom) standard errors."""
        return self.interval_at(LEVEL)

    def interval_at(self, level: float) -> Interval:
        """The interval of another level."""
        margin = max(error.times_t((1 + level) / 2) for error in self.errors)
        return self.value - margin, self.value + margin

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the test that the true mean is 0."""
        return max(error.p_value(self.value) for error in self.errors)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one difference of a family.

    Attributes:
        direction: whether the difference is significantly above or below 0.
        estimate: the difference; None if it is unknown.
        p_value: p-value, adjusted for the size of the family; None for an unknown direction.
        detectable: true difference that would have been significant with probability POWER; None as above, and if
            nothing varies.
        reason: reason for an unknown direction; empty otherwise.
    """

    direction: Direction
    estimate: Estimate | None = None
    p_value: float | None = None
    detectable: float | None = None
    reason: str = ""

    @property
    def mirrored(self) -> "Decision":
        """The decision on the same difference with the opposite sign."""
        opposite: dict[Direction, Direction] = {"higher": "lower", "lower": "higher"}
        estimate = self.estimate and replace(self.estimate, value=-self.estimate.value)
        return replace(self, direction=opposite.get(self.direction, self.direction), estimate=estimate)


def decide(family: Sequence[Estimate | str]) -> list[Decision]:
    """Decide on all differences of a family, so that at most 5 % of families of zero differences have a wrong one.

    p-values are adjusted by Holm's method, which holds for any dependence between the differences (Holm, A Simple
    Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979, pages 65 to 70). If the
    best row is chosen by the same data, the family must have the differences of all pairs of rows.

    The detectable difference is the minimum detectable effect (Bloom, Minimum Detectable Effects, Evaluation Review 19,
    1995, pages 547 to 556) at the level at which Holm's method stopped.

    Args:
        family: differences, or reasons why they are unknown. The variance between seeds must be known.
    """
    reasons = [_unknown(one) for one in family]
    judged = [one for one, reason in zip(family, reasons, strict=True) if not reason and isinstance(one, Estimate)]
    adjusted = holm([one.p_value for one in judged])
    left = sum(p_value >= 1 - LEVEL for p_value in adjusted)
    decided = iter([_decision(one, p_value, left) for one, p_value in zip(judged, adjusted, strict=True)])
    return [
        Decision("unknown", one if isinstance(one, Estimate) else None, reason=reason) if reason else next(decided)
        for one, reason in zip(family, reasons, strict=True)
    ]


def _unknown(one: Estimate | str) -> str:
    """Why nothing can be decided on a difference; empty if it can."""
    if isinstance(one, str):
        return one
    return "" if "seeds" in one.sources else ONE_SEED


def _decision(one: Estimate, p_value: float, left: int) -> Decision:
    """The decision on one difference.

    Args:
        one: difference.
        p_value: its adjusted p-value.
        left: number of differences of the family that are not significant.
    """
    level = (1 - LEVEL) / max(1, left)
    detectable = max(error.detectable(level) for error in one.errors)
    significant = p_value < 1 - LEVEL
    direction: Direction = ("higher" if one.value > 0 else "lower") if significant else "no significant difference"
    return Decision(direction, one, p_value, detectable or None)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm's method: the largest of (m - j + 1) p(j) up to each, at most 1; see ``decide``."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for done, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        largest = max(largest, min(1.0, (len(p_values) - done) * p_values[at]))
        adjusted[at] = largest
    return adjusted


def together(family: Sequence[Estimate], error_rate: float = 1 - LEVEL) -> list[Interval]:
    """Intervals of a family of differences; those that exclude 0 are significant together by Holm's method.

    Each has the level at which Holm's method judges it, which is also the level of those that it finds not significant.

    Args:
        family: differences.
        error_rate: two-sided probability that any of them is wrongly significant.
    """
    p_values = [one.p_value for one in family]
    left = sum(p_value >= error_rate for p_value in holm(p_values))
    levels = [0.0] * len(family)
    for done, at in enumerate(sorted(range(len(family)), key=lambda at: p_values[at])):
        levels[at] = 1 - error_rate / max(left, len(family) - done)
    return [one.interval_at(level) for one, level in zip(family, levels, strict=True)]


@dataclass(frozen=True, slots=True)
class Significance:
    """The significance of a mean or a difference.

    Attributes:
        interval: 95 % interval; None if it is unknown.
        sources: sources of the variation that it holds; without an interval, the reason.
    """

    interval: Interval | None
    sources: tuple[str, ...] = ()

    @property
    def verdict(self) -> Direction:
        """The verdict on a difference: higher or lower if the interval excludes 0."""
        if self.interval is None:
            return "unknown"
        low, high = self.interval
        return "higher" if low > 0 else "lower" if high < 0 else "no significant difference"


def lies_above(one: Interval | None, other: Interval | None) -> bool:
    """Whether one interval lies entirely above the other; False if either is unknown."""
    return one is not None and other is not None and one[0] > other[1]


def leading(order: Sequence[int], is_lower: Callable[[int, int], bool]) -> dict[int, Rank]:
    """Rank the first row, and then the second, if all rows after it are significantly lower.

    Args:
        order: indices of the rows, highest first.
        is_lower: whether the second of two rows is significantly lower than the first.
    """
    found: dict[int, Rank] = {}
    ranks: tuple[Rank, ...] = ("best", "second")
    for at, (rank, place) in enumerate(zip(ranks, order, strict=False)):
        below = order[at + 1 :]
        if not below or not all(is_lower(place, other) for other in below):
            break
        found[place] = rank
    return found


def over_seeds(values: Sequence[float]) -> Estimate:
    """The mean of the values or paired differences of seeds, two or more, assumed to be normally distributed."""
    error = StandardError(statistics.stdev(values) / math.sqrt(len(values)), len(values) - 1)
    return Estimate(statistics.fmean(values), (error,), ("seeds",))


def student_interval(values: Sequence[float]) -> Interval:
    """The interval of the mean of values of seeds, see ``over_seeds``."""
    return over_seeds(values).interval


def possible(ends: Interval, largest: float = math.inf) -> Interval:
    """Clip an interval to [0, largest], which does not change its coverage."""
    return max(0.0, ends[0]), min(largest, ends[1])
