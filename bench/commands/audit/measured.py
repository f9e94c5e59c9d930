"""Measured values of a run, in base units, for comparison with printed numbers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.errors import RunFolderError
from bench.record.record import Record
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.statistics import mean_std, over_seeds
from bench.report.results.load import load
from bench.report.tables.conditions import conditions
from bench.study.cell import Cell

#: Dataset, model and method by their study names.
Key = tuple[str, str, str]
#: Column of the report's QUANTITIES and its factor to base units, by quantity.
COLUMNS = {
    "f1": ("macro_f1", 1.0), "trainable_params": ("trainable_params", 1.0), "total_params": ("total_params", 1.0),
    "train_throughput": ("train_samples_per_second", 1.0),
    "inference_throughput": ("inference_samples_per_second", 1.0), "flops": ("forward_gflops", 1e9),
    "peak_memory": ("peak_train_mb", 1e6),
}  # fmt: skip
QUALITY: dict[str, Callable[[Record], float | None]] = {
    "accuracy": lambda record: record.quality.accuracy if record.quality else None,
    "precision": lambda record: record.quality.macro_precision if record.quality else None,
    "recall": lambda record: record.quality.macro_recall if record.quality else None,
}


def read_measured(folder: Path) -> list[Record]:
    """The records of a run folder or a report, in its order.

    Raises:
        RunFolderError: the path is neither, a report has several runs, a record is damaged, or no cell succeeded.
    """
    unread: list[str] = []
    runs = load([folder], unread.append).runs
    if len(runs) > 1:
        raise RunFolderError(f"{folder} is a report of {len(runs)} runs; give one of the runs themselves")
    if unread:
        raise RunFolderError(unread[0].removeprefix("left out: "))
    records = runs[0].records
    if not any(record.status == "ok" for record in records):
        raise RunFolderError(f"{folder}: no cell has succeeded yet; run the study first")
    return records


def comparable(records: Sequence[Record], cells: Sequence[Cell]) -> tuple[list[Record], list[str]]:
    """The records measured with the study's settings, and one sentence for each row that was not.

    Args:
        records: records of a run.
        cells: cells of the study.
    """
    planned = {_key(cell): cell for cell in cells}
    kept, sentences = [], []
    for record in records:
        cell = planned.get(_key(record.cell))
        apart = [] if cell is None else _apart(record.cell, cell)
        if apart:
            sentences.append(f"the run's {', '.join(_key(record.cell))} was measured with {'; '.join(apart)}")
        else:
            kept.append(record)
    return kept, list(dict.fromkeys(sentences))


def _apart(measured: Cell, planned: Cell) -> list[str]:
    """Differences in the data and training settings, one phrase each."""
    found = []
    for part in ("data", "train"):
        had, wanted = (getattr(cell, part).model_dump() for cell in (measured, planned))
        found += [
            f"{part}.{name} {had[name]} where the study has {wanted[name]}" for name in had if had[name] != wanted[name]
        ]
    return found


def _key(cell: Cell) -> Key:
    return (cell.dataset.name, cell.model.name, cell.method.name)


def means(records: Sequence[Record]) -> dict[Key, dict[str, float]]:
    """Means over the successful seeds, by row and quantity, in base units; unknown values are absent.

    "throughput" without a phase is that of inference.
    """
    groups: dict[Key, list[Record]] = {}
    for record in records:
        if record.status == "ok":
            groups.setdefault(_key(record.cell), []).append(record)
    by_column = {quantity.column: quantity for quantity in QUANTITIES}
    result: dict[Key, dict[str, float]] = {}
    for key, group in groups.items():
        row: dict[str, float] = {}
        for name, (column, factor) in COLUMNS.items():
            mean = over_seeds(group, by_column[column]).mean
            if mean is not None:
                row[name] = mean * factor
        if "inference_throughput" in row:
            row["throughput"] = row["inference_throughput"]
        for name, read in QUALITY.items():
            values = [value for record in group if (value := read(record)) is not None]
            if values and "f1" in row:
                row[name] = mean_std(values)[0]
        result[key] = row
    return result


def said(records: Sequence[Record] | None) -> str:
    """The conditions of measurement as text; empty without records."""
    return conditions(records) if records else ""


def of_row(measured: Mapping[Key, Mapping[str, float]], key: Key, quantity: str) -> float | None:
    """The measured mean of one quantity in base units; None if unknown."""
    return measured.get(key, {}).get(quantity)
