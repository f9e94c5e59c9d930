"""What charts of a study are drawn from: a line for each row, part of a peak, point of a curve, number of a matrix."""

from collections.abc import Iterator
from itertools import groupby
from statistics import fmean
from typing import Any

from bench.record.memory_breakdown import MemoryBreakdown
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.readers import macro_f1
from bench.report.analysis.statistics import first_of_each_seed
from bench.report.charts.rows import ReportRow
from bench.report.frame import points_of

#: Parts of a peak in the order of a bar, as readers see them.
PARTS = {
    "weights_bytes": "weights", "gradients_bytes": "gradients", "optimizer_state_bytes": "optimizer state",
    "activations_bytes": "activations", "workspace_bytes": "workspace", "allocator_slack_bytes": "allocator slack",
    "cuda_context_bytes": "CUDA context", "process_bytes": "process", "unattributed_bytes": "unattributed",
}  # fmt: skip


def _names(row: ReportRow) -> dict[str, Any]:
    """As charts name a row; of several machines the dataset says which."""
    return {"dataset": row.dataset, "model": row.numbers["model"], "method": row.numbers["method"]}


def line(row: ReportRow) -> dict[str, Any]:
    """The means of a row, those that charts have under another name or in another unit added."""
    axes = {quantity.axis.key: quantity for quantity in QUANTITIES.of("charts") if quantity.axis and quantity.axis.key}
    known = {
        key: None if (value := row.numbers[quantity.centre]) is None else value * quantity.axis.times
        for key, quantity in axes.items()
        if quantity.axis
    }
    return {**row.numbers, **_names(row), **known}


def parts(row: ReportRow) -> Iterator[dict[str, Any]]:
    """The parts of a row's peaks, means over the cells that have them."""
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
        row: of one cell or several.
        first_alone: one of each curve, which tells what there is.
    """
    for cell in row.place.cells:
        of = {**_names(row), "seed": cell.record.cell.seed, "repeat": cell.record.cell.repeat}
        for _, curve in groupby(points_of(cell), lambda point: point.pass_name):
            for point in curve:
                yield {**of, **point._asdict()}
                if first_alone:
                    break


def confusion(row: ReportRow) -> Iterator[dict[str, Any]]:
    """The confusion matrix of a row, added up over its seeds, of which repeats add nothing; none in older records.

    Of each pair of a true ``label`` and a ``predicted`` one it says how many ``texts`` there are, and of how many
    ``seeds``; predicted is None for answers that name no label.
    """
    qualities = [record.quality for record, _ in first_of_each_seed(row.place.measured) if macro_f1(record) is not None]
    known = [quality.confusion for quality in qualities if quality is not None and quality.confusion is not None]
    for at, label in enumerate(known[0].labels if known else ()):
        for place, predicted in enumerate([*known[0].labels, None]):
            texts = sum(one.texts[at][place] for one in known)
            yield {**_names(row), "label": label, "predicted": predicted, "texts": texts, "seeds": len(known)}
