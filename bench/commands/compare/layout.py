"""Differences of several rows over the same runs: the move that they share, and the noise of each row's mean.

Arrays have the shape (rows, runs); NaN stands for what was not measured. A run is a seed with a repeat.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from bench.report.analysis.significance import Estimate, StandardError

Floats = NDArray[np.float64]
#: Minimum number of rows of which a common move can be told from the move of one row.
LEAST_ROWS = 3
#: Standard deviations per median absolute deviation of a normal distribution.
DEVIATIONS_PER_MAD = 1.4826
#: Level of the test whether a row is noisier than the rows together.
NOISIER_LEVEL = 0.001
#: Decimals that are kept; what remains of equal values beyond them is rounding.
DECIMALS = 12


def mean(values: Floats, axis: int) -> Floats:
    """The mean of the known values along an axis; NaN where there is none."""
    known = ~np.isnan(values)
    counts = known.sum(axis=axis)
    sums = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(counts > 0, np.round(sums / np.maximum(counts, 1), DECIMALS), np.nan)


def rows(values: Floats) -> int:
    """Number of rows with a value."""
    return int((~np.isnan(values)).any(axis=1).sum())


def cells(values: Floats) -> int:
    """Number of values."""
    return int((~np.isnan(values)).sum())


def common(values: Floats) -> Floats | None:
    """The move that the rows share in each run, shape (runs,); a median keeps it free of single rows.

    The cells of a run are measured one after the other, so that a slow drift of the machine is part of it. A run with
    fewer than ``LEAST_ROWS`` rows gets the median of the rows' means. None below ``LEAST_ROWS`` rows.
    """
    means = mean(values, 1)
    means = means[~np.isnan(means)]
    if len(means) < LEAST_ROWS:
        return None
    known = [column[~np.isnan(column)] for column in values.T]
    return np.array([np.median(column if len(column) >= LEAST_ROWS else means) for column in known])


def deviations(values: Floats) -> Floats:
    """The deviations from each row's mean; NaN for a row with one value, which has none."""
    several = (~np.isnan(values)).sum(axis=1) > 1
    return np.where(several[:, None], values - mean(values, 1)[:, None], np.nan)


def without_common(values: Floats) -> Floats:
    """Values of one side without the move that the rows share in each run."""
    shared = common(deviations(values))
    return values if shared is None else values - shared


def pooled(left: Floats, *, centred: bool) -> tuple[float, float] | None:
    """The variance of one difference, pooled over all rows, and its degrees of freedom.

    Args:
        left: deviations from the rows' means, shape (sides, rows, runs): of the differences, or of both sides, whose
            variances add up to that of the difference but which have twice the degrees of freedom.
        centred: whether ``common`` has been subtracted, which takes a degree of freedom from each run.

    Returns:
        None if no row has two runs.
    """
    within = sum(_freedom(left[:, at]) for at in range(left.shape[1]))
    if not within:
        return None
    count = rows(left[0])
    return len(left) * _squares(left) / within, within * (count - 1) / count if centred else within


def estimates(values: Floats, left: Floats, noise: tuple[float, float] | None) -> list[Estimate | None]:
    """The mean of each row with its standard error; None for a row without values, or if the noise is unknown.

    A row that is significantly noisier than all rows together has its own variance (F test at ``NOISIER_LEVEL``).

    Args:
        values: differences, shape (rows, runs).
        left: see ``pooled``.
        noise: variance of one difference and its degrees of freedom.
    """
    means, counts = mean(values, 1), (~np.isnan(values)).sum(axis=1)
    found: list[Estimate | None] = []
    for at, count in enumerate(counts):
        if noise is None or not count:
            found.append(None)
            continue
        variance, freedom = _noisier(left[:, at], noise)
        error = StandardError(float(np.sqrt(variance / count)), freedom)
        found.append(Estimate(float(means[at]), (error,), ("seeds",)))
    return found


def _noisier(left: Floats, noise: tuple[float, float]) -> tuple[float, float]:
    """The larger of a row's own variance, if it is significantly larger, and that of all rows."""
    (variance, freedom), of_own = noise, _freedom(left)
    own = len(left) * _squares(left) / of_own if of_own else 0.0
    if own and (not variance or fdtrc(of_own, freedom, own / variance) < NOISIER_LEVEL):
        return own, of_own
    return noise


def _freedom(left: Floats) -> float:
    """Degrees of freedom of one row's deviations, shape (sides, runs)."""
    return float(np.maximum((~np.isnan(left)).sum(axis=1) - 1, 0).sum())


def _squares(left: Floats) -> float:
    """The sum of squares, without what rounding leaves of equal values."""
    return round(float(np.nansum(left**2)), 2 * DECIMALS)


def scatter(values: Floats) -> tuple[float, float] | None:
    """The variance of the rows' means round their median, and its degrees of freedom; None up to ``LEAST_ROWS`` rows.

    It is the median absolute deviation, which a row that changed leaves as it is. It has half of the degrees of freedom
    of the usual variance, because it uses the values less well.
    """
    means = mean(values, 1)
    means = means[~np.isnan(means)]
    if len(means) <= LEAST_ROWS:
        return None
    deviation = DEVIATIONS_PER_MAD * float(np.median(np.abs(means - np.median(means))))
    return round(deviation, DECIMALS) ** 2, (len(means) - 1) / 2
