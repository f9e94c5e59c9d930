"""Whether two numbers differ: the one place that decides it, and the intervals that it decides by."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

from bench.text.tables.table import Rank

LEVEL = 0.95
Interval = tuple[float, float]
Verdict = Literal["higher", "lower", "not told apart", "unknown"]


@dataclass(frozen=True, slots=True)
class Significance:
    """How sure a mean or a difference is.

    Attributes:
        interval: 95 % interval, from the lowest to the highest end of those that are known; None where none is.
        sources: what the intervals come from, a few words each; where none is known, why.
    """

    interval: Interval | None
    sources: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What is known of a difference: higher or lower where every known interval leaves 0 out, on the same side."""
        if self.interval is None:
            return "unknown"
        low, high = self.interval
        return "higher" if low > 0 else "lower" if high < 0 else "not told apart"


def widest(intervals: Mapping[str, Interval], why: str = "") -> Significance:
    """The significance by several intervals, each alone able to explain a difference.

    Args:
        intervals: by source.
        why: there is none, where there is none.
    """
    if not intervals:
        return Significance(None, (why,) if why else ())
    lows, highs = zip(*intervals.values(), strict=True)
    return Significance((min(lows), max(highs)), tuple(intervals))


def over_texts_and_seeds(texts: Interval | None, by_seed: Sequence[float]) -> Significance:
    """The significance of a mean over seeds, or of a mean difference.

    Args:
        texts: bootstrap interval over the texts; None where there are no predictions.
        by_seed: value of each seed, whose Student's interval is known from two on.
    """
    known = {} if texts is None else {"texts": texts}
    return widest(known | ({"seeds": student_interval(by_seed)} if len(by_seed) > 1 else {}))


def lies_above(one: Interval | None, other: Interval | None) -> bool:
    """Whether a whole interval lies above another one; False where either is unknown."""
    return one is not None and other is not None and one[0] > other[1]


def leading(order: Sequence[int], is_lower: Callable[[int, int], bool]) -> dict[int, Rank]:
    """The first, and then the second, as long as each is told apart from all that come after it.

    Args:
        order: places of the rows, the highest first.
        is_lower: whether the second of two rows is told to be lower than the first.
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
    """Interval of the mean of several values: mean ± t(0.975, S - 1) s / sqrt(S) of S of them.

    Student (The Probable Error of a Mean, Biometrika 6, 1908, pages 1 to 25): exact at any number of values where they
    are independent and normally distributed. Without spread it has no width.

    Args:
        values: one for each seed, two or more; paired differences among them.
    """
    mean, count = statistics.fmean(values), len(values)
    margin = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * statistics.stdev(values) / math.sqrt(count)
    return mean - margin, mean + margin


def possible(ends: Interval, largest: float = math.inf) -> Interval:
    """An interval without what is below 0 or above the largest: it holds the true value as often as before."""
    return max(0.0, ends[0]), min(largest, ends[1])
