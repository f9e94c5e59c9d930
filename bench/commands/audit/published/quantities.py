"""Quantities of a published table, and the column names that stand for a quantity and its unit."""

from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches

from bench.commands.audit.published.units import UNITS

#: Quantities in the order of reports, with their titles.
TITLES = {
    "f1": "F1", "accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "mcc": "MCC",
    "pearson": "Pearson correlation", "trainable_params": "Trainable parameters", "trainable_share": "Trainable share",
    "total_params": "Total parameters", "throughput": "Throughput", "train_throughput": "Train throughput",
    "inference_throughput": "Inference throughput", "token_throughput": "Token throughput", "train_time": "Train time",
    "flops": "GFLOPs", "peak_memory": "Peak memory",
}  # fmt: skip
#: Fractions: their base unit is 1 and they cannot exceed it.
FRACTIONS = ("f1", "accuracy", "precision", "recall", "trainable_share")
#: Fractions that may be negative, down to -1.
CORRELATIONS = ("mcc", "pearson")
#: Kind of each quantity's units, see ``units.UNITS``.
KINDS = {
    **dict.fromkeys((*FRACTIONS, *CORRELATIONS), "fraction"),
    **dict.fromkeys(("trainable_params", "total_params"), "parameters"),
    **dict.fromkeys(("throughput", "train_throughput", "inference_throughput"), "samples per second"),
    "token_throughput": "tokens per second", "train_time": "seconds", "flops": "operations", "peak_memory": "bytes",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PrintedColumn:
    """Quantity and unit of a column of a published table.

    Attributes:
        quantity: one of TITLES.
        unit: unit as displayed; empty if every cell must name its own.
        factor: base units (1, parameters, samples or tokens per second, seconds, FLOPs, bytes) in one unit.
    """

    quantity: str
    unit: str
    factor: Decimal

    @property
    def kind(self) -> str:
        """Kind of its units."""
        return KINDS[self.quantity]


def _columns() -> dict[str, PrintedColumn]:
    columns = {}
    for quantity in (*FRACTIONS, *CORRELATIONS):
        columns[quantity] = PrintedColumn(quantity, "fraction", Decimal(1))
        columns[f"{quantity}_percent"] = PrintedColumn(quantity, "%", Decimal("0.01"))
    for quantity in ("trainable_params", "total_params"):
        columns[quantity] = PrintedColumn(quantity, "parameters", Decimal(1))
        for word in ("thousand", "million", "billion"):
            columns[f"{quantity}_{word}"] = in_unit(quantity, word)
    for quantity in ("throughput", "train_throughput", "inference_throughput"):
        columns[f"{quantity}_samples_per_second"] = PrintedColumn(quantity, "samples/s", Decimal(1))
    columns["throughput_tokens_per_second"] = PrintedColumn("token_throughput", "tokens/s", Decimal(1))
    for word in ("seconds", "minutes", "hours"):
        columns[f"train_{word}"] = in_unit("train_time", word)
    for word in ("flops", "mflops", "gflops", "tflops", "macs", "mmacs", "gmacs", "tmacs"):
        columns[word] = in_unit("flops", word)
    columns["peak_memory"] = PrintedColumn("peak_memory", "", Decimal(1))
    for word in ("bytes", "kb", "kib", "mb", "mib", "gb", "gib"):
        columns[f"peak_memory_{word}"] = in_unit("peak_memory", word)
    return columns


def in_unit(quantity: str, word: str) -> PrintedColumn:
    """The column of a quantity in a unit.

    Args:
        quantity: one of TITLES.
        word: unit of its kind, in lower case.
    """
    unit = UNITS[KINDS[quantity]][word]
    return PrintedColumn(quantity, unit.name, unit.factor)


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
                 "throughput", *FRACTIONS, *CORRELATIONS):  # fmt: skip
        if column == stem or column.startswith(f"{stem}_"):
            spellings = ", ".join(name for name in COLUMNS if name == stem or name.startswith(f"{stem}_"))
            unit = column.removeprefix(stem).lstrip("_")
            return (
                f"{unit!r} is no unit of {stem}" if unit else f"{stem} needs a unit"
            ) + f"; write one of {spellings}"
    known = [*others, *COLUMNS, *CONDITIONS]
    near = get_close_matches(column, known, n=1, cutoff=0.75)
    return f"unknown column; did you mean {near[0]!r}?" if near else "unknown column"
