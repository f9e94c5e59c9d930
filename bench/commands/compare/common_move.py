"""The move that all rows share, beside that of the matmul: a machine that became slower, or code that did."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from bench.commands.compare import layout
from bench.commands.compare.metrics import Metric
from bench.commands.compare.pairs import Pair
from bench.commands.compare.ratios import Ratios
from bench.report.analysis.significance import Interval

CommonVerdict = Literal[
    "same", "within noise", "noise unknown", "moved", "better", "worse", "as the matmul", "suspect"
]  # fmt: skip
#: Probability that the interval misses the true value on each side; lower than for a row, because nothing tells how
#: much a machine changes from one run of the study to the next.
TAIL = 0.001


@dataclass(frozen=True, slots=True)
class CommonMove:
    """The move of one metric that all rows share.

    Attributes:
        metric: metric.
        rows: number of rows that it is the median of.
        difference: B minus A, relative to A.
        interval: 99.8 % interval; None if the noise is unknown.
        matmul: B minus A of the matmul rate, relative to A; None if unknown.
        verdict: verdict of ``judge``.
        regression: whether it counts as a regression.
    """

    metric: Metric
    rows: int
    difference: float
    interval: Interval | None
    matmul: float | None
    verdict: CommonVerdict
    regression: bool


def matmul_of(pairs: Sequence[Pair]) -> float | None:
    """The median log ratio of the matmul rates, positive if B is slower; None if no pair has both."""
    rates = [[record.matmul_flops_per_second for record in one.records] for one in pairs]
    known = [math.log(a) - math.log(b) for a, b in rates if a and b and a > 0 and b > 0]
    return float(np.median(known)) if known else None


def judge(metrics: Sequence[Ratios], matmul: float | None, threshold: float) -> list[CommonMove]:
    """The common move of each metric that has one.

    The verdict is worse if the move is beyond its noise and the threshold, also without the part that the matmul
    shares. The noise is that of a single cell, not of their mean: the machine is one in all cells of a run, so that its
    state varies less within a run than between two.

    Args:
        metrics: log ratios of each metric.
        matmul: log ratio of the matmul rates, positive if B is slower; None if unknown.
        threshold: relative worsening above which a move is a regression.
    """
    return [_move(one, one.shared, matmul, threshold) for one in metrics if one.shared is not None]


def _move(ratios: Ratios, shared: layout.Floats, matmul: float | None, threshold: float) -> CommonMove:
    centre = float(layout.mean(shared[None], 1)[0])
    usable = ratios.usable + shared
    noise = layout.pooled(layout.deviations(usable)[None], centred=False) or layout.scatter(usable)
    margin = None if noise is None else float(stdtrit(noise[1], 1 - TAIL)) * math.sqrt(noise[0])
    verdict = _verdict(ratios, centre, margin, matmul or 0.0, threshold)
    if not ratios.trusted and verdict in ("worse", "better"):
        verdict = "suspect"
    interval: Interval | None = None
    if margin is not None:
        low, high = sorted(map(ratios.relative, (centre - margin, centre + margin)))
        interval = low, high
    return CommonMove(
        ratios.metric, layout.rows(ratios.usable), ratios.relative(centre), interval,
        None if matmul is None else math.expm1(-matmul), verdict, verdict == "worse",
    )  # fmt: skip


def _verdict(ratios: Ratios, centre: float, margin: float | None, matmul: float, threshold: float) -> CommonVerdict:
    if not centre:
        return "same"
    if margin is None:
        return "noise unknown"
    if abs(centre) <= margin:
        return "within noise"
    if abs(ratios.relative(centre)) <= threshold:
        return "moved"
    # What is left if the matmul moved in the same direction.
    rest = centre - matmul if matmul * centre > 0 else centre
    if rest * centre <= 0 or abs(rest) <= margin or abs(ratios.relative(rest)) <= threshold:
        return "as the matmul"
    return "worse" if centre > 0 else "better"
