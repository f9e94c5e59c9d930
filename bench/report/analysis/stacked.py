"""Predictions of several records, checked to be of the same texts, one above the other."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.record.record import Record
from bench.report.analysis.bootstrap import macro_f1
from bench.report.results.measured import Measured
from bench.report.results.predictions import Classes, Predictions

ReadRecord = Callable[[Record], Predictions | str]
"""Gives the predictions of a record, or says why there are none."""

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Stacked:
    """What several runs predicted of the same texts.

    Attributes:
        truth: class of each text, shape [N].
        predicted: class that each run predicts, shape [K, N].
        num_labels: number of classes.
    """

    truth: Classes
    predicted: Classes
    num_labels: int


def reader(cells: Iterable[Measured]) -> ReadRecord:
    """Gives the predictions of the records of these cells."""
    # By identity: two sides of a comparison hold cells of one id.
    known = {id(record): evidence.predictions for record, evidence in cells}
    return lambda record: known[id(record)]


def stack(records: Sequence[Record], read: ReadRecord) -> Stacked | str:
    """The predictions of records, in order, or why they cannot be compared.

    Args:
        records: of successful cells, one or more.
        read: gives the predictions of a record.
    """
    if reason := unlike(records):
        return reason
    data = records[0].data
    assert data is not None, "unlike has seen to it"
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
    """Why the quality of these records cannot be compared, as far as the records tell; empty if it can."""
    if any(record.cell.model.weights == "random" for record in records):
        return "random weights have no quality worth reading"
    for record in records:
        if record.data is None or record.quality is None:
            missing = "data" if record.data is None else "quality"
            return record.unknown.get(missing, f"the record of {record.cell_id} gives no {missing} and no reason")
    read = {(record.data.sha256, record.data.labels) for record in records if record.data}
    if len(read) > 1:
        return "the texts or labels that they read differ"
    if len({record.quality.split for record in records if record.quality}) > 1:
        return "the evaluated splits differ"
    return ""
