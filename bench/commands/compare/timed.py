"""The noise of times and energies, judged for all rows of a comparison at once."""

from collections.abc import Sequence

import numpy as np

from bench.commands.compare import layout
from bench.commands.compare.layout import Floats
from bench.commands.compare.noise import Noise
from bench.commands.compare.ratios import Ratios
from bench.report.analysis.significance import LEVEL, Interval, Significance, together

#: Probability of a false finding in one of two families of tests: single metrics, and the mean of each row's metrics,
#: which best shows a change that slows down everything that a row times.
ERROR_RATE = (1 - LEVEL) / 2


def measure(metrics: Sequence[Ratios], matmul: float | None) -> dict[str, list[Noise | None]]:
    """The noise of each row by the metric's column; the metrics and rows form one family of tests.

    A row without values has None.

    Args:
        metrics: log ratios of each metric, or of the metrics together.
        matmul: log ratio of the matmul rates, positive if B is slower; None if unknown.
    """
    estimated = [layout.estimates(one.own, _left(one), _variance(one)) for one in metrics]
    known = [one for row in estimated for one in row if one is not None]
    intervals = dict(zip(map(id, known), together(known, ERROR_RATE), strict=True))
    return {
        ratios.metric.quantity.column: [
            _noise(ratios, at, None if one is None else intervals[id(one)], matmul) for at, one in enumerate(row)
        ]
        for ratios, row in zip(metrics, estimated, strict=True)
    }


def _variance(ratios: Ratios) -> tuple[float, float] | None:
    return layout.pooled(_left(ratios), centred=ratios.shared is not None) or layout.scatter(ratios.usable)


def _left(ratios: Ratios) -> Floats:
    return np.stack([layout.deviations(side) for side in ratios.sides])


def _noise(ratios: Ratios, at: int, interval: Interval | None, matmul: float | None) -> Noise | None:
    own, raw = (float(layout.mean(values, 1)[at]) for values in (ratios.own, ratios.raw))
    if np.isnan(own):
        return None
    sign = -1 if ratios.metric.higher_is_better else 1
    worsening = sign * ratios.relative(counted(own, raw, matmul))
    significance = Significance(None, ("one seed",))
    if interval is not None:
        low, high = sorted(map(ratios.relative, interval))
        significance = Significance((low, high), (_source(ratios),))
    return Noise(ratios.relative(raw), ratios.relative(own), worsening, significance)


def counted(own: float, raw: float, matmul: float | None) -> float:
    """The part of a row's move that counts, as a log ratio that is positive where B is worse.

    If all other rows became faster, one that stayed as it was is no regression; unless the matmul became faster as
    well, so that the machine explains the others.

    Args:
        own: move of the row without the one that all rows share.
        raw: move of the row.
        matmul: move of the matmul; None if unknown.
    """
    corrected = raw if matmul is None else raw - matmul
    if own > 0:
        return max(0.0, min(own, max(raw, corrected)))
    return min(0.0, max(own, min(raw, corrected)))


def _source(ratios: Ratios) -> str:
    """Where the noise comes from, as ``24 paired runs of 8 rows``."""
    rows, cells = layout.rows(ratios.usable), layout.cells(ratios.usable)
    return f"{cells} paired runs" if rows == 1 else f"{cells} paired runs of {rows} rows"
