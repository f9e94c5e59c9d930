"""Predictions of several records on the same texts, stacked into one array."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.record.record import Record
from bench.report.analysis.macro_f1 import macro_f1
from bench.report.analysis.paired import Difference, difference
from bench.report.results.measured import Measured
from bench.report.results.predictions import Classes, Predictions

ReadRecord = Callable[[Record], Predictions | str]
"""Returns the predictions of a record, or the reason why there are none."""

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Stacked:
    """Predictions of several runs on the same texts.

    Attributes:
        truth: class of each text, shape [N].
        predicted: predicted classes of each run, shape [K, N].
        num_labels: number of classes.
    """

    truth: Classes
    predicted: Classes
    num_labels: int


def reader(cells: Iterable[Measured]) -> ReadRecord:
    """A function that returns the predictions of these cells' records."""
    # By identity: the two sides of a comparison hold cells of the same id.
    known = {id(record): evidence.predictions for record, evidence in cells}
    return lambda record: known[id(record)]


def stack(records: Sequence[Record], read: ReadRecord) -> Stacked | str:
    """Stack the predictions of successful records in order, or return the reason why they cannot be compared."""
    if reason := unlike(records):
        return reason
    data = records[0].data
    assert data is not None, "unlike has checked it"
    num_labels = len(data.labels)
    predicted = []
    base = read(records[0])
    if isinstance(base, str):
        return base
    for record in records:
        found = read(record)
        if isinstance(found, str):
            return found
        one = found.in_order_of(base.ids)
        if one is None or not np.array_equal(one.labels, base.labels):
            return f"{record.cell_id} predicted other texts, or texts of other labels"
        stated = record.quality.macro_f1 if record.quality else None
        if stated is None or abs(macro_f1(one.labels, one.predicted, num_labels) - stated) > ROUNDING:
            return f"the predictions of {record.cell_id} do not give the macro F1 of its record"
        predicted.append(one.predicted)
    return Stacked(base.labels, np.stack(predicted), num_labels)


def unlike(records: Sequence[Record]) -> str:
    """Why the quality of these records cannot be compared, according to the records; empty if it can."""
    for record in records:
        if record.data is None or record.quality is None:
            missing = "data" if record.data is None else "quality"
            return record.unknown.get(missing, f"the record of {record.cell_id} gives no {missing} and no reason")
    read: dict[int | None, set[tuple[object, ...]]] = {}
    for record in records:
        if record.data:
            # Seeds that draw their own splits read the same test texts, which the predictions name.
            seed = record.cell.seed if record.cell.data.resample_splits else None
            read.setdefault(seed, set()).add((record.data.sha256, record.data.labels))
    if any(len(of_seed) > 1 for of_seed in read.values()):
        return "the texts or labels that they read differ"
    if len({record.quality.split for record in records if record.quality}) > 1:
        return "the evaluated splits differ"
    return ""


def difference_of(first: Sequence[Measured], second: Sequence[Measured]) -> Difference | str:
    """The difference in macro F1, first minus second, on the texts that both predicted, or why there is none.

    Args:
        first: runs of the first row.
        second: runs of the second row with the same seeds, in the same order.
    """
    runs = [*first, *second]
    found = stack([record for record, _ in runs], reader(runs))
    if isinstance(found, str):
        return found
    ours, theirs = np.split(found.predicted, 2)
    return difference(found.truth, ours, theirs, found.num_labels)
