"""The noise of a metric: how far it moves when nothing changes, if that was measured."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from bench.commands.compare.metrics import Metric
from bench.commands.compare.pairs import Pair
from bench.report.analysis import paired
from bench.report.analysis.paired import Difference
from bench.report.analysis.significance import Interval, Significance, student_interval, widest
from bench.report.analysis.stacked import reader, stack

#: Maximum absolute difference; a larger one counts as undefined.
LARGEST = 1e9


def difference(metric: Metric, a: float, b: float) -> float | None:
    """B minus A, absolute for quality, else relative to A; None if A is 0 or the result is out of range."""
    change = b - a
    if change and metric.kind != "quality":
        change = change / abs(a) if a else LARGEST
    return change if abs(change) < LARGEST else None


def measure(metric: Metric, row: Sequence[Pair], differences: Sequence[float | None]) -> Significance:
    """The noise of one metric of a row: the widest of the intervals that are known.

    - Runs: Student's interval of the paired differences of two or more runs; it includes everything that varies from
      run to run. Repeats of a seed are separate runs, except for quality.
    - Texts: for macro F1, the paired bootstrap of ``bench.report.analysis.paired``, if both sides keep predictions.

    Args:
        metric: metric to measure.
        row: pairs of cells with a value on both sides.
        differences: difference of each pair, see ``difference``.
    """
    if metric.kind == "exact":
        return Significance(None, ("exact",))
    found: dict[str, Interval] = {}
    known = _independent(metric, row, differences)
    if len(known) > 1:
        found[f"{len(known)} paired runs"] = student_interval(known)
    why = "one seed"
    if metric.quantity.column == "macro_f1":
        predicted = _predicted(row)
        if isinstance(predicted, Difference):
            found[f"{predicted.texts} texts"] = predicted.low, predicted.high
        else:
            why = f"one seed; {predicted}"
    return widest(found, why)


def _independent(metric: Metric, row: Sequence[Pair], differences: Sequence[float | None]) -> list[float]:
    """The statistically independent differences; empty if one of them is unknown."""
    if None in differences:
        return []
    by_run: dict[tuple[int, int], list[float]] = {}
    for one, change in zip(row, differences, strict=True):
        cell = one.a[0].cell
        repeat = 0 if metric.kind == "quality" else cell.repeat
        by_run.setdefault((cell.seed, repeat), []).append(change or 0.0)
    return [fmean(changes) for changes in by_run.values()]


def _predicted(row: Sequence[Pair]) -> Difference | str:
    """The difference B minus A on the texts that both predicted, or the reason why there is none."""
    cells = [*(one.b for one in row), *(one.a for one in row)]
    stacked = stack([record for record, _ in cells], reader(cells))
    if isinstance(stacked, str):
        return stacked
    b, a = np.split(stacked.predicted, 2)
    return paired.difference(stacked.truth, b, a, stacked.num_labels)
