"""Predictions of several records, checked to be of the same texts, one above the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bench.errors import RunFolderError
from bench.record import Record
from bench.report import predictions
from bench.report.bootstrap import Classes, macro_f1
from bench.report.predictions import Predictions
from bench.store import CellFolder

ReadRecord = Callable[[Record], Predictions]
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


def reader(
    folders: Mapping[str, CellFolder], read: Callable[[Path, int], Predictions] = predictions.read
) -> ReadRecord:
    """Reads the predictions of records whose data is known; raises RunFolderError as ``predictions.read`` does.

    Args:
        folders: of each cell by its id.
        read: gives the predictions of a file and a number of labels.
    """

    read = cache(read)  # a cell that several comparisons share is read once

    def found(record: Record) -> Predictions:
        assert record.data is not None, "unlike has seen to it"
        return read(folders[record.cell_id].predictions, len(record.data.labels))

    return found


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
    try:
        base = read(records[0])
        for record in records:
            one = read(record).in_order_of(base.ids)
            if one is None or not np.array_equal(one.labels, base.labels):
                return f"{record.cell_id} predicted other texts, or texts of other labels"
            stated = record.quality.macro_f1 if record.quality else None
            if stated is None or abs(macro_f1(one.labels, one.predicted, num_labels) - stated) > ROUNDING:
                return f"the predictions of {record.cell_id} do not give the macro F1 of its record"
            predicted.append(one.predicted)
    except RunFolderError as error:
        return str(error)
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
