"""Quantities of a published table, and the column names that stand for a quantity and its unit."""

from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches

#: Quantities in the order of reports, with their titles.
TITLES = {
    "f1": "F1", "accuracy": "Accuracy", "precision": "Precision", "recall": "Recall",
    "trainable_params": "Trainable parameters", "total_params": "Total parameters", "throughput": "Throughput",
    "train_throughput": "Train throughput", "inference_throughput": "Inference throughput", "flops": "GFLOPs",
    "peak_memory": "Peak memory",
}  # fmt: skip
#: Fractions: their base unit is 1 and they cannot exceed it.
FRACTIONS = ("f1", "accuracy", "precision", "recall")


@dataclass(frozen=True, slots=True)
class PrintedColumn:
    """Quantity and unit of a column of a published table.

    Attributes:
        quantity: one of TITLES.
        unit: unit as displayed.
        factor: base units (1, parameters, samples per second, FLOPs, bytes) in one unit of the column.
    """

    quantity: str
    unit: str
    factor: Decimal


def _columns() -> dict[str, PrintedColumn]:
    columns = {}
    for quantity in FRACTIONS:
        columns[quantity] = PrintedColumn(quantity, "fraction", Decimal(1))
        columns[f"{quantity}_percent"] = PrintedColumn(quantity, "%", Decimal("0.01"))
    for quantity in ("trainable_params", "total_params"):
        columns[quantity] = PrintedColumn(quantity, "parameters", Decimal(1))
        for word, short, power in (("thousand", "K", 3), ("million", "M", 6), ("billion", "B", 9)):
            columns[f"{quantity}_{word}"] = PrintedColumn(quantity, short, Decimal(10) ** power)
    for quantity in ("throughput", "train_throughput", "inference_throughput"):
        columns[f"{quantity}_samples_per_second"] = PrintedColumn(quantity, "samples/s", Decimal(1))
    for name, unit, power in (("flops", "FLOPs", 0), ("mflops", "MFLOPs", 6), ("gflops", "GFLOPs", 9)):
        columns[name] = PrintedColumn("flops", unit, Decimal(10) ** power)
    columns["tflops"] = PrintedColumn("flops", "TFLOPs", Decimal(10) ** 12)
    columns["peak_memory_bytes"] = PrintedColumn("peak_memory", "bytes", Decimal(1))
    for index, letter in enumerate("kmg", start=1):
        columns[f"peak_memory_{letter}b"] = PrintedColumn("peak_memory", f"{letter.upper()}B", Decimal(1000) ** index)
        columns[f"peak_memory_{letter}ib"] = PrintedColumn("peak_memory", f"{letter.upper()}iB", Decimal(1024) ** index)
    return columns


#: Every known column of numbers, by name.
COLUMNS = _columns()
#: Columns that state conditions of a row.
CONDITIONS = ("sequence_length", "batch_size", "precision_mode")


def why_unknown(column: str, others: tuple[str, ...] = ()) -> str:
    """Why a column is unknown, with the nearest known name, as the end of a sentence.

    Args:
        column: name of the column.
        others: further names that the table may have.
    """
    for stem in ("peak_memory", "trainable_params", "total_params", "inference_throughput", "train_throughput",
                 "throughput", *FRACTIONS):  # fmt: skip
        if column == stem or column.startswith(f"{stem}_"):
            spellings = ", ".join(name for name in COLUMNS if name == stem or name.startswith(f"{stem}_"))
            unit = column.removeprefix(stem).lstrip("_")
            return (
                f"{unit!r} is no unit of {stem}" if unit else f"{stem} needs a unit"
            ) + f"; write one of {spellings}"
    known = [*others, *COLUMNS, *CONDITIONS]
    near = get_close_matches(column, known, n=1, cutoff=0.5)
    return (
        f"unknown column; did you mean {near[0]!r}? " if near else "unknown column; "
    ) + f"known: {', '.join(known)}"
