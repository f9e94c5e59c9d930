"""What one pairing of a study comes to: the difference in quality, and what it costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from bench.errors import RunFolderError
from bench.record import Record
from bench.report.paired import Difference, difference, macro_f1
from bench.report.pairing import Measured, Pairing
from bench.report.predictions import Predictions
from bench.report.statistics import QUANTITIES, Quantity

Pair = tuple[Measured, Measured]
Read = Callable[[Path, int], Predictions]
ROUNDING = 1e-9

#: What is divided, by column of the table.
RATIOS = {
    column: next(quantity for quantity in QUANTITIES if quantity.column == column)
    for column in ("train_samples_per_second", "inference_samples_per_second", "forward_gflops", "trainable_params")
}


@dataclass(frozen=True, slots=True)
class Ratio:
    """The first method's value divided by the second's, over paired seeds."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Compared:
    """What a pairing comes to.

    Attributes:
        seeds: that both methods measured.
        left_out: why other seeds are not among them, a few words each.
        difference: in macro F1; None where there is none.
        ratios: by column; those that are known.
        reasons: why something is unknown, by column, ``difference`` or one of RATIOS.
    """

    seeds: tuple[int, ...]
    left_out: tuple[str, ...]
    difference: Difference | None
    ratios: Mapping[str, Ratio]
    reasons: Mapping[str, str]


def compare(pairing: Pairing, read: Read) -> Compared:
    """Compare the two rows of a pairing.

    Args:
        pairing: the rows.
        read: gives the predictions of a file, see ``predictions.read``.
    """
    pairs, left_out = pairing.seeds() if not pairing.reason else ([], [])
    if not pairs:
        reason = pairing.reason or f"no seed that both measured: {'; '.join(left_out)}"
        return Compared((), (), None, {}, dict.fromkeys(("difference", *RATIOS), reason))
    found = _difference(pairs, read)
    divided = {column: _ratio(quantity, pairing.names, pairs) for column, quantity in RATIOS.items()}
    reasons = {"difference": found, **divided}
    return Compared(
        seeds=tuple(first[0].cell.seed for first, _ in pairs),
        left_out=tuple(left_out),
        difference=None if isinstance(found, str) else found,
        ratios={column: ratio for column, ratio in divided.items() if isinstance(ratio, Ratio)},
        reasons={column: reason for column, reason in reasons.items() if isinstance(reason, str)},
    )


def _difference(pairs: Sequence[Pair], read: Read) -> Difference | str:
    """The difference, or why there is none."""
    runs = [*(first for first, _ in pairs), *(second for _, second in pairs)]
    if reason := _unlike([record for record, _ in runs]):
        return reason
    data = runs[0][0].data
    assert data is not None, "_unlike has seen to it"
    num_labels = len(data.labels)
    predicted = []
    try:
        base = read(runs[0][1].predictions, num_labels)
        for record, folder in runs:
            one = read(folder.predictions, num_labels).in_order_of(base.ids)
            if one is None or not np.array_equal(one.labels, base.labels):
                return f"{record.cell_id} predicted other texts, or texts of other labels"
            stated = record.quality.macro_f1 if record.quality else None
            if stated is None or abs(macro_f1(one.labels, one.predicted, num_labels) - stated) > ROUNDING:
                return f"the predictions of {record.cell_id} do not give the macro F1 of its record"
            predicted.append(one.predicted)
    except RunFolderError as error:
        return str(error)
    first, second = np.split(np.stack(predicted), 2)
    return difference(base.labels, first, second, num_labels)


def _unlike(records: Sequence[Record]) -> str:
    """Why the predictions of these records cannot be compared, as far as the records tell; empty if they can."""
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


def _ratio(quantity: Quantity, names: tuple[str, str], pairs: Sequence[Pair]) -> Ratio | str:
    """First over second, or why it is unknown."""
    ratios = []
    for (first, _), (second, _) in pairs:
        values = [quantity.read(record) for record in (first, second)]
        for name, record, value in zip(names, (first, second), values, strict=True):
            if value is None:
                return f"{name}: {quantity.why_not(record)}"
        if quantity.column.endswith("per_second") and _speed_conditions(first) != _speed_conditions(second):
            return "measured on different machines or in different precision"
        above, below = (value or 0 for value in values)
        if not below:
            return f"the value of {names[1]} is 0"
        ratios.append(above / below)
    return Ratio(median(ratios), min(ratios), max(ratios))


def _speed_conditions(record: Record) -> tuple[object, ...]:
    """What a speed depends on beside the cell."""
    machine = record.machine
    if machine is None:
        return (record.cell_id,)
    of_device = (machine.gpu,) if machine.device == "cuda" else (machine.cpu, machine.threads)
    return (machine.device, *of_device, record.precision)
