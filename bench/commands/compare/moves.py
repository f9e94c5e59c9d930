"""The move of one metric of one row, and the rules by which it is judged."""

from dataclasses import dataclass
from typing import Literal

from bench.commands.compare.metrics import Metric
from bench.commands.compare.pairs import Pair
from bench.report.analysis.significance import Significance

MoveVerdict = Literal[
    "same", "within noise", "noise unknown", "as all rows", "moved", "changed", "better", "better, noise unknown",
    "worse", "worse, noise unknown", "other machine", "other data", "suspect", "not in A", "not in B",
]  # fmt: skip
#: Verdicts that are shown only with --all.
QUIET: tuple[MoveVerdict, ...] = ("same", "within noise", "noise unknown", "as all rows", "not in A")
#: Verdicts on a metric that moved and cannot be judged; they have their own exit code.
NOT_JUDGED: tuple[MoveVerdict, ...] = ("suspect", "other machine", "other data")
#: Verdicts on a metric that moved far with unknown noise, which is a warning.
NOISE_UNKNOWN: tuple[MoveVerdict, ...] = ("worse, noise unknown", "better, noise unknown")


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules for regressions.

    Attributes:
        threshold: relative worsening above which a metric is a regression.
        f1_threshold: absolute worsening of F1 above which it is a regression.
        strict: whether suspect measurements and cells missing in B also count.
    """

    threshold: float = 0.05
    f1_threshold: float = 0.01
    strict: bool = False

    def limit(self, metric: Metric) -> float:
        """The largest move of a metric that counts as small."""
        return self.f1_threshold if metric.kind == "quality" else self.threshold


@dataclass(frozen=True, slots=True)
class Move:
    """One metric of one row on both sides.

    Attributes:
        row: pairs of cells that succeeded on both sides.
        metric: metric.
        seeds: seeds of the cells that are compared.
        a: mean of A over these cells, in the quantity's unit; None if unknown, and for several metrics together.
        b: mean of B likewise.
        difference: mean of B minus A, absolute for quality, else relative to A; None if undefined.
        own: the same without the move that all rows share, for timed metrics; else ``difference``.
        noise: noise of ``own``; None if there is nothing to compare.
        verdict: verdict on the metric, see ``judging.judge``.
        regression: whether it counts as a regression.
        suspect: short descriptions of the failed checks of either side that speak of the metric.
    """

    row: tuple[Pair, ...]
    metric: Metric
    seeds: tuple[int, ...]
    a: float | None
    b: float | None
    difference: float | None
    own: float | None
    noise: Significance | None
    verdict: MoveVerdict
    regression: bool
    suspect: tuple[str, ...] = ()
