"""Data of a study's charts: one line per row, memory part, curve point or matrix entry."""

from collections.abc import Iterator
from itertools import groupby
from statistics import fmean
from typing import Any

from bench.record.memory_breakdown import MemoryBreakdown
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.searches import curve_of, mean_seconds, tuning_of
from bench.report.analysis.statistics import first_of_each_seed
from bench.report.charts.rows import ReportRow
from bench.report.frame import points_of

#: Parts of a memory breakdown in the order of a bar, with their labels.
PARTS = {
    "weights_bytes": "weights", "gradients_bytes": "gradients", "optimizer_state_bytes": "optimizer state",
    "activations_bytes": "activations", "workspace_bytes": "workspace", "allocator_slack_bytes": "allocator slack",
    "cuda_context_bytes": "CUDA context", "process_bytes": "process", "unattributed_bytes": "unattributed",
}  # fmt: skip


def _names(row: ReportRow) -> dict[str, Any]:
    """Names of a row in charts; with several machines, the dataset includes the machine."""
    return {"dataset": row.dataset, "model": row.numbers["model"], "method": row.numbers["method"]}


def line(row: ReportRow) -> dict[str, Any]:
    """The means of a row, plus those that charts have under another name or in another unit."""
    axes = {quantity.axis.key: quantity for quantity in QUANTITIES.of("charts") if quantity.axis and quantity.axis.key}
    known = {
        key: None if (value := row.numbers[quantity.centre]) is None else value * quantity.axis.times
        for key, quantity in axes.items()
        if quantity.axis
    }
    return {**row.numbers, **_names(row), **known}


def parts(row: ReportRow) -> Iterator[dict[str, Any]]:
    """The memory breakdowns of a row, each part a mean over the cells that have it."""
    found: dict[str, list[MemoryBreakdown]] = {}
    for cell in row.place.measured:
        for one in cell.record.memory:
            found.setdefault(one.of, []).append(one)
    for of in ("load", "train", "inference"):
        for part, name in PARTS.items():
            values = [value for one in found.get(of, []) if (value := getattr(one, part)) is not None]
            if values:
                yield {**_names(row), "of": of, "part": name, "mb": fmean(values) / 1e6}


def points(row: ReportRow, *, first_alone: bool = False) -> Iterator[dict[str, Any]]:
    """The points of a row's curves.

    Args:
        row: row of the report.
        first_alone: whether to stop after the first point of each curve.
    """
    for cell in row.place.cells:
        of = {**_names(row), "seed": cell.record.cell.seed, "repeat": cell.record.cell.repeat}
        for _, curve in groupby(points_of(cell), lambda point: point.pass_name):
            for point in curve:
                yield {**of, **point._asdict()}
                if first_alone:
                    break


def search(row: ReportRow) -> Iterator[dict[str, Any]]:
    """The expected best validation F1 of a row's search by number of trials; empty without a search."""
    records = [cell.record for cell in row.place.cells]
    tuning = tuning_of(records)
    for point in curve_of(records):
        yield {
            **_names(row), "trials": point.trials, "expected_best_macro_f1": point.value, "low": point.low,
            "high": point.high, "mean_trial_seconds": tuning and mean_seconds(tuning),
        }  # fmt: skip


def confusion(row: ReportRow) -> Iterator[dict[str, Any]]:
    """The confusion matrix of a row, summed over its seeds without repeats; empty for older records.

    Each entry is the number of ``texts`` of a true ``label`` and a ``predicted`` one, over ``seeds`` seeds;
    ``predicted`` is None for answers that name no label.
    """
    qualities = [record.quality for record, _ in first_of_each_seed(row.place.measured)]
    known = [quality.confusion for quality in qualities if quality and quality.confusion]
    for at, label in enumerate(known[0].labels if known else ()):
        for place, predicted in enumerate([*known[0].labels, None]):
            texts = sum(one.texts[at][place] for one in known)
            yield {**_names(row), "label": label, "predicted": predicted, "texts": texts, "seeds": len(known)}
