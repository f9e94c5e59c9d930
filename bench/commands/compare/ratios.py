"""Log ratios of timed metrics, B over A of each paired cell, positive where B is worse."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.commands.compare import layout
from bench.commands.compare.layout import Floats
from bench.commands.compare.metrics import TOGETHER, Metric
from bench.commands.compare.sample import Sample


@dataclass(frozen=True, slots=True)
class Ratios:
    """The log ratios of one metric, or of several together; each array has shape (rows, runs), NaN: not measured.

    Attributes:
        metric: metric.
        runs: seed and repeat of each run.
        raw: log ratios.
        own: the same without the move that the rows share.
        usable: the part of ``own`` that no failed check doubts, if that leaves enough rows; else ``own``.
        sides: logarithms of the values of both sides in ``usable`` without the moves that rows share, from which the
            noise is estimated; shape (2, rows, runs).
        shared: the move that the rows share, by run; None if there are too few rows.
        trusted: whether no failed check doubts ``usable``.
    """

    metric: Metric
    runs: tuple[tuple[int, int], ...]
    raw: Floats
    own: Floats
    usable: Floats
    sides: Floats
    shared: Floats | None
    trusted: bool

    def relative(self, ratio: float) -> float:
        """A log ratio as B minus A, relative to A."""
        return math.expm1(-ratio if self.metric.higher_is_better else ratio)


def has_ratios(sample: Sample) -> bool:
    """Whether all values are above 0."""
    return min(*sample.a, *sample.b) > 0


def tabulate(samples: Sequence[Sample], rows: Sequence[object]) -> list[Ratios]:
    """The log ratios of each metric.

    Args:
        samples: comparable samples of timed metrics, with values above 0.
        rows: row of each position in the arrays; identity counts.
    """
    places = {id(row): at for at, row in enumerate(rows)}
    runs = {run: at for at, run in enumerate(sorted({run for one in samples for run in one.runs}))}
    groups: dict[str, list[Sample]] = {}
    for one in samples:
        groups.setdefault(one.metric.quantity.column, []).append(one)
    found = []
    for group in groups.values():
        sides, trusted = np.full((2, len(rows), len(runs)), np.nan), np.zeros(len(rows), dtype=bool)
        for one in group:
            sides[:, places[id(one.row)], [runs[run] for run in one.runs]] = np.log([one.a, one.b])
            trusted[places[id(one.row)]] = one.trusted
        sign = -1 if group[0].metric.higher_is_better else 1
        found.append(_ratios(group[0].metric, tuple(runs), sign * sides, trusted))
    return found


def _ratios(metric: Metric, runs: tuple[tuple[int, int], ...], sides: Floats, trusted: NDArray[np.bool_]) -> Ratios:
    """The log ratios of a metric from the logarithms of both sides and the rows that no failed check doubts."""
    raw = np.round(sides[1] - sides[0], layout.DECIMALS)
    chosen = np.where(trusted[:, None], sides, np.nan)
    enough = layout.rows(chosen[0]) >= min(layout.LEAST_ROWS, layout.rows(raw))
    chosen = chosen if enough else sides
    shared = layout.common(np.round(chosen[1] - chosen[0], layout.DECIMALS))
    own = raw if shared is None else raw - shared
    alone = np.stack([layout.without_common(side) for side in chosen])
    return Ratios(metric, runs, raw, own, np.where(np.isnan(chosen[0]), np.nan, own), alone, shared, enough)


def together(metrics: Sequence[Ratios]) -> Ratios:
    """The mean of a row's metrics in each cell, which is less noisy than each of them."""
    raw, own, usable, sides = (
        _mean(arrays) for arrays in zip(*((one.raw, one.own, one.usable, one.sides) for one in metrics), strict=True)
    )
    shared = [one.shared for one in metrics if one.shared is not None]
    # Of a row with some trusted cells, only these count.
    own = np.where(np.isnan(usable).all(axis=1, keepdims=True), own, usable)
    trusted = all(one.trusted for one in metrics)
    moved = layout.mean(np.stack(shared), 0) if shared else None
    return Ratios(TOGETHER, metrics[0].runs, raw, own, usable, sides, moved, trusted)


def _mean(metrics: Sequence[Floats]) -> Floats:
    """The mean over the metrics that a row has, unknown for a cell that lacks one of them."""
    arrays = np.stack(metrics)
    unknown = np.isnan(arrays)
    lacking = unknown & ~unknown.all(axis=-1, keepdims=True)
    return np.where(lacking.any(axis=0), np.nan, layout.mean(arrays, 0))
