"""The decision whether two numbers differ, and the intervals that it is based on.

Two tests are separate on purpose, because their numbers have no sampling error: whether a printed number agrees with a
planned one after rounding (``tunebench audit``), and whether counts of FLOPs agree (``measure/flops/agreement``).
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

from bench.text.tables.table import Rank

LEVEL = 0.95
Interval = tuple[float, float]
Direction = Literal["higher", "lower", "not told apart", "unknown"]


@dataclass(frozen=True, slots=True)
class Significance:
    """The significance of a mean or a difference.

    Attributes:
        interval: hull of the known 95 % intervals; None if there is none.
        sources: sources of the intervals; without intervals, the reason.
    """

    interval: Interval | None
    sources: tuple[str, ...] = ()

    @property
    def verdict(self) -> Direction:
        """The verdict on a difference: higher or lower if all known intervals exclude 0 on the same side."""
        if self.interval is None:
            return "unknown"
        low, high = self.interval
        return "higher" if low > 0 else "lower" if high < 0 else "not told apart"


def widest(intervals: Mapping[str, Interval], why: str = "") -> Significance:
    """The significance according to several intervals, all of which must exclude 0.

    Args:
        intervals: intervals by source.
        why: reason for the lack of intervals.
    """
    if not intervals:
        return Significance(None, (why,) if why else ())
    lows, highs = zip(*intervals.values(), strict=True)
    return Significance((min(lows), max(highs)), tuple(intervals))


def over_texts_and_seeds(texts: Interval | None, by_seed: Sequence[float]) -> Significance:
    """The significance of a mean over seeds, or of a mean difference.

    Args:
        texts: bootstrap interval over the texts; None without predictions.
        by_seed: value of each seed; two or more give Student's interval.
    """
    known = {} if texts is None else {"texts": texts}
    return widest(known | ({"seeds": student_interval(by_seed)} if len(by_seed) > 1 else {}))


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


def student_interval(values: Sequence[float]) -> Interval:
    """Student's interval of the mean of S values: mean ± t(0.975, S - 1) s / sqrt(S).

    It is exact for independent, normally distributed values (Student, The Probable Error of a Mean, Biometrika 6, 1908,
    pages 1 to 25).

    Args:
        values: value or paired difference of each seed, two or more.
    """
    mean, count = statistics.fmean(values), len(values)
    margin = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * statistics.stdev(values) / math.sqrt(count)
    return mean - margin, mean + margin


def possible(ends: Interval, largest: float = math.inf) -> Interval:
    """Clip an interval to [0, largest], which does not change its coverage."""
    return max(0.0, ends[0]), min(largest, ends[1])
