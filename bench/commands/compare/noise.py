"""The difference of a metric, and its noise: how far it moves when nothing changes, if that was measured."""

import math
from dataclasses import dataclass
from statistics import fmean

from bench.commands.compare.metrics import Metric
from bench.commands.compare.sample import Sample
from bench.report.analysis.significance import Significance

#: Maximum absolute difference; a larger one counts as undefined.
LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class Noise:
    """What is judged of a metric of a row, and its noise.

    Attributes:
        difference: B minus A, mean over the cells, absolute for quality, else relative to A; None if undefined.
        own: the part of it that is judged; for timed metrics, without the move that all rows share.
        worsening: the part of it that counts, positive if B is worse; infinite if it is undefined.
        significance: interval of ``own``, or the reason why there is none.
    """

    difference: float | None
    own: float | None
    worsening: float
    significance: Significance


def difference(metric: Metric, a: float, b: float) -> float | None:
    """B minus A, absolute for quality, else relative to A; None if A is 0 or the result is out of range."""
    change = b - a
    if change and metric.kind != "quality":
        change = change / abs(a) if a else LARGEST
    return change if abs(change) < LARGEST else None


def mean_difference(sample: Sample) -> float | None:
    """The mean of the cells' differences; None if one of them is undefined."""
    found = [difference(sample.metric, a, b) for a, b in zip(sample.a, sample.b, strict=True)]
    known = [one for one in found if one is not None]
    return fmean(known) if len(known) == len(found) else None


def unadjusted(sample: Sample, significance: Significance) -> Noise:
    """The noise of a sample whose whole difference is judged."""
    change = mean_difference(sample)
    apart = fmean(sample.b) - fmean(sample.a) if change is None else change
    worsening = -apart if sample.metric.higher_is_better else apart
    if change is None:
        worsening = math.copysign(math.inf, worsening)
    return Noise(change, change, worsening, significance)
