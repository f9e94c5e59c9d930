"""The ratio of two throughputs from windows that were measured in turn, with its 95 % interval."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scipy.special import stdtrit

from bench.ratios.window import Window
from bench.report.analysis.significance import LEVEL

#: Windows of each method in a block.
WINDOWS_IN_BLOCK = 2
#: Fewest blocks of an interval: with fewer, Student's factor and the autocorrelation are too uncertain.
LEAST_BLOCKS = 8
#: Highest autocorrelation that is corrected for; a higher one leaves no independent blocks.
MOST_CORRELATED = 0.9


@dataclass(frozen=True, slots=True)
class Ratio:
    """A throughput ratio: method over reference.

    Attributes:
        ratio: samples per second of the method over those of the reference, on equal batches.
        low: lower end of the 95 % interval.
        high: upper end of the interval.
        blocks: number of blocks.
        autocorrelation: correlation of consecutive blocks.
    """

    ratio: float
    low: float
    high: float
    blocks: int
    autocorrelation: float

    @property
    def within_percent(self) -> float:
        """The larger distance of an end of the interval from the ratio, in percent of the ratio."""
        return 100 * max(self.high / self.ratio - 1, 1 - self.low / self.ratio)


def log_ratios(windows: Iterable[Window], method: str, reference: str) -> list[float]:
    """The log ratio of each complete block, in the order of measurement.

    A block is measured in the order A B C C B A, in which equal numbers of a window have equal batches. Its value is
    the mean over its windows of log(seconds of the reference / seconds of the method), which is the log ratio of the
    rates. All methods have the same mean position in a block, so a drift of the host that is linear in log speed
    cancels.

    Args:
        windows: windows of one task; others than those of the two methods are ignored.
        method: cell id of the method.
        reference: cell id of the reference.
    """
    blocks: dict[tuple[str, int], dict[str, dict[int, float]]] = {}
    for window in windows:
        members = blocks.setdefault((window.set, window.block), {})
        members.setdefault(window.member, {})[window.window] = window.seconds
    found = []
    for _, members in sorted(blocks.items()):
        own, other = members.get(method, {}), members.get(reference, {})
        if len(own) == WINDOWS_IN_BLOCK and own.keys() == other.keys():
            found.append(statistics.fmean(math.log(other[number] / own[number]) for number in own))
    return found


def estimate(values: Sequence[float]) -> Ratio | None:
    """The ratio and its interval; None below ``LEAST_BLOCKS`` blocks.

    The interval is Student's over the blocks' log ratios, mean ± t s / sqrt(n), which are means of a few windows each
    and so nearly normal. Blocks are independent if the host's changes cancel within a block. If they do not, because
    they slow one method more than the other, consecutive blocks correlate. So n is replaced by n (1 - r) / (1 + r), the
    number of independent values with the variance of a first-order autoregression (Bayley and Hammersley, The
    "Effective" Number of Independent Observations, JRSS Supplement 8, 1946), if the lag-1 autocorrelation r is above 0.
    Measuring ends when the interval is narrow enough, which alone would favour intervals that are too narrow by chance;
    the correction, which chance makes only wider, offsets this: tests/ratios/test_simulation.py finds the coverage.

    Args:
        values: log ratio of each block.
    """
    count = len(values)
    if count < LEAST_BLOCKS:
        return None
    centre, correlation = statistics.fmean(values), _autocorrelation(values)
    shrunk = min(max(correlation, 0.0), MOST_CORRELATED)
    independent = max(2.0, count * (1 - shrunk) / (1 + shrunk))
    factor = float(stdtrit(independent - 1, (1 + LEVEL) / 2))
    margin = factor * statistics.stdev(values) / math.sqrt(independent)
    return Ratio(math.exp(centre), math.exp(centre - margin), math.exp(centre + margin), count, correlation)


def _autocorrelation(values: Sequence[float]) -> float:
    """Correlation of consecutive values; 0 if all are equal. The known bias of -1/n is removed."""
    mean = statistics.fmean(values)
    moved = [value - mean for value in values]
    spread = math.fsum(each * each for each in moved)
    if spread == 0:
        return 0.0
    return math.fsum(a * b for a, b in pairwise(moved)) / spread + 1 / len(values)
