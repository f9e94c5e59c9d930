"""The verdict on one metric of one row: whether it moved beyond its noise, and whether that is a regression."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from bench.commands.compare import noise
from bench.commands.compare.metrics import Metric
from bench.commands.compare.pairs import Pair
from bench.record.record import Record
from bench.report.analysis.comparability import conditions
from bench.report.analysis.significance import Significance
from bench.report.tables.validity import validity_of

MoveVerdict = Literal[
    "same", "within noise", "noise unknown", "moved", "changed", "better", "better, noise unknown", "worse",
    "worse, noise unknown", "other machine", "other data", "suspect", "not in A", "not in B",
]  # fmt: skip
#: Verdicts that are shown only with --all.
QUIET: tuple[MoveVerdict, ...] = ("same", "within noise", "noise unknown", "not in A")
WORSE: tuple[MoveVerdict, ...] = ("worse", "worse, noise unknown")
MOVED: tuple[MoveVerdict, ...] = ("moved", "changed", "better", "better, noise unknown", *WORSE)


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules for regressions.

    Attributes:
        threshold: relative worsening above which a metric is a regression.
        f1_threshold: absolute worsening of F1 above which it is a regression.
        strict: whether suspect rows and cells missing in B also count.
    """

    threshold: float = 0.05
    f1_threshold: float = 0.01
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """One metric of one row on both sides.

    Attributes:
        row: pairs of cells that succeeded on both sides.
        metric: metric.
        seeds: seeds of the cells with a value on both sides.
        a: mean of A over these seeds, in the quantity's unit; None if unknown.
        b: mean of B likewise.
        difference: mean of B minus A, absolute for quality, else relative to A; None if undefined.
        noise: noise of the difference; None if there is nothing to compare.
        verdict: verdict of ``judge``.
        regression: whether it counts as a regression.
        suspect: short descriptions of the failed checks of either side.
    """

    row: tuple[Pair, ...]
    metric: Metric
    seeds: tuple[int, ...]
    a: float | None
    b: float | None
    difference: float | None
    noise: Significance | None
    verdict: MoveVerdict
    regression: bool
    suspect: tuple[str, ...] = ()


def judge(metric: Metric, row: tuple[Pair, ...], rules: Rules) -> Move | None:
    """Compare one metric of a row; None if neither side knows it.

    The verdict is the first of these that applies:

    1. not in B, not in A: no seed has it on both sides.
    2. same: every seed agrees to the last digit.
    3. other data: the texts differ; does not apply to parameters, FLOPs and artifact size.
    4. other machine: speed, energy or memory from another device, number of threads or precision.
    5. worse, changed: parameters and FLOPs have no noise; more is worse, fewer is changed.
    6. within noise: the interval of the difference contains 0.
    7. worse, better: by more than the threshold; the verdict says if the noise is unknown.
    8. moved: by less, but beyond noise. noise unknown: by less, with unknown noise.

    Only worse is a regression. If a check of a record failed, a metric that moved is suspect instead and no regression,
    unless the rules are strict.
    """
    cells, all_a, all_b = _known(metric, row)
    if not cells:
        return _one_sided(metric, row)
    differences = [noise.difference(metric, *pair) for pair in zip(all_a, all_b, strict=True)]
    formed = [one for one in differences if one is not None]
    change = fmean(formed) if len(formed) == len(differences) else None
    a, b = fmean(all_a), fmean(all_b)
    spread: Significance | None = None
    verdict: MoveVerdict = "same"
    if all_a != all_b:
        spread = noise.measure(metric, cells, differences)
        apart = b - a if change is None or metric.kind == "exact" else change
        worsening = -apart if metric.higher_is_better else apart
        if change is None:
            worsening = math.copysign(math.inf, worsening)
        limit = rules.f1_threshold if metric.kind == "quality" else rules.threshold
        verdict = _not_comparable(metric, cells) or _moved(metric, worsening, spread, limit)
    suspect = _suspect(cells)
    if suspect and not rules.strict and verdict in MOVED:
        verdict = "suspect"
    seeds = tuple(one.a[0].cell.seed for one in cells)
    return Move(row, metric, seeds, a, b, change, spread, verdict, verdict in WORSE, suspect)


def _known(metric: Metric, row: Sequence[Pair]) -> tuple[list[Pair], list[float], list[float]]:
    """The cells with a metric on both sides, and its values on A and on B."""
    sides = [metric.values([one.records[at] for one in row]) for at in (0, 1)]
    cells = [one for one, a, b in zip(row, *sides, strict=True) if a is not None and b is not None]
    # Read again for these cells only, because all values must be read in one way: by windows if all have windows.
    values = metric.values([one.records[at] for at in (0, 1) for one in cells])
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return [], [], []
    return cells, known[: len(cells)], known[len(cells) :]


def _one_sided(metric: Metric, row: tuple[Pair, ...]) -> Move | None:
    """The move of a metric that no seed has on both sides."""
    sides = [metric.values([one.records[at] for one in row]) for at in (0, 1)]
    known = [[value for value in side if value is not None] for side in sides]
    if not any(known):
        return None
    a, b = (fmean(side) if side else None for side in known)
    return Move(row, metric, (), a, b, None, None, "not in A" if a is None else "not in B", False)


def _moved(metric: Metric, worsening: float, spread: Significance, limit: float) -> MoveVerdict:
    """The verdict on a difference between comparable sides.

    Args:
        metric: metric.
        worsening: difference, positive if B is worse; infinite if A is 0.
        spread: noise of the difference.
        limit: largest move that counts as small.
    """
    if metric.kind == "exact":
        return "worse" if worsening > 0 else "changed"
    large, worse = abs(worsening) > limit, worsening > 0
    if spread.interval is None:
        if not large:
            return "noise unknown"
        return "worse, noise unknown" if worse else "better, noise unknown"
    if spread.verdict == "no significant difference":
        return "within noise"
    if not large:
        return "moved"
    return "worse" if worse else "better"


def _not_comparable(metric: Metric, cells: Sequence[Pair]) -> MoveVerdict | None:
    """The verdict that data or machine differ, if the metric depends on them; else None."""
    if metric.kind in ("size", "exact"):
        return None
    pairs = [one.records for one in cells]
    if any(_texts(a) != _texts(b) for a, b in pairs):
        return "other data"
    if metric.kind == "quality":
        return None
    differs = any(not (a.machine and b.machine) or conditions(a) != conditions(b) for a, b in pairs)
    return "other machine" if differs else None


def _texts(record: Record) -> tuple[object, ...]:
    """What identifies the evaluated texts of a record."""
    read = (record.data.sha256, record.data.labels) if record.data else (record.cell.dataset.fingerprint,)
    return (record.cell.data.evaluate_split, *read)


def _suspect(cells: Sequence[Pair]) -> tuple[str, ...]:
    """Short descriptions of the failed checks of either side."""
    validities = [validity_of([one.records[at] for one in cells]) for at in (0, 1)]
    return tuple(
        f"in {side}: {reason}" for side, validity in zip("AB", validities, strict=True) if validity.verdict == "suspect"
        for reason in validity.reasons
    )  # fmt: skip
