"""The probability that one run of a method scores higher than one run of another."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import nctdtrinc, ndtr

from bench.report.analysis.significance import LEVEL

#: Largest m / s; beyond it both ends are 0 or 1 in double precision, and the inverse of the distribution does not end.
MOST = 300.0


class Outperforming(NamedTuple):
    """An estimated probability.

    Attributes:
        probability: P(A > B).
        low: lower end of its 95 % interval; None if all differences are equal.
        high: upper end.
    """

    probability: float
    low: float | None
    high: float | None


def outperforming(differences: Sequence[float]) -> Outperforming:
    """P(A > B) from the differences A - B of paired runs, two or more.

    The quantity is that of Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks, MLSys 2021: a
    run of A and a run of B share seed and texts, and A wins if it scores higher. They count the wins; with three seeds
    a count is 0, 1/3, 2/3 or 1. Here the differences are taken as normal with mean m and standard deviation s, so that
    P(A > B) = Phi(m / s). The texts are fixed.

    The interval is exact for normal differences: over S pairs, sqrt(S) times the sample's m / s has a noncentral t
    distribution with S - 1 degrees of freedom and noncentrality sqrt(S) m / s (Johnson and Welch, Applications of the
    Non-Central t-Distribution, Biometrika 31, 1940).

    Raises:
        ValueError: there are fewer than two differences.
    """
    if len(differences) < 2:
        raise ValueError("the variation between runs needs two or more")
    mean, deviation, root = statistics.fmean(differences), statistics.stdev(differences), math.sqrt(len(differences))
    if not deviation:
        return Outperforming(0.5 if not mean else float(mean > 0), None, None)
    ratio = max(-MOST, min(MOST, mean / deviation))
    degrees, tail = len(differences) - 1, (1 - LEVEL) / 2
    low, high = (_noncentrality(degrees, share, root * ratio) / root for share in (1 - tail, tail))
    return Outperforming(float(ndtr(ratio)), float(ndtr(low)), float(ndtr(high)))


def _noncentrality(degrees: int, share: float, value: float) -> float:
    """The noncentrality with which the t distribution has so much probability below the value."""
    return float(nctdtrinc(degrees, share, value))
