"""Records as data frames: one row per cell, or per point of a curve."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bench.record.record import Record
from bench.report.analysis.quantities.quantity import Dtype
from bench.report.analysis.statistics import by_row
from bench.report.frame_columns import columns, described
from bench.report.results.load import load
from bench.report.results.measured import Measured
from bench.report.results.run import Results, Run

OPTION, VERSION = "option_", "version_"
CURVES: Mapping[str, tuple[Dtype, str]] = {
    "run": ("string", "name of the study"), "machine": ("string", "machine that measured most cells of the run"),
    "cell_id": ("string", "as in load_records"), "dataset": ("string", "name"), "model": ("string", "name"),
    "method": ("string", "name"), "seed": ("Int64", "of the cell"), "repeat": ("Int64", "of the cell"),
    "pass_name": ("string", "train, inference, generation: points cover the steps since the previous; or validation"),
    "step": ("Int64", "last step of the point, from 1"),
    "elapsed_seconds": ("Float64", "since the first step of the pass began; for validation: time in training steps"),
    "tokens_per_second": ("Float64", "over the point's steps, padding left out"),
    "loss_nats": ("Float64", "mean task loss over the point's steps; only for training"),
    "macro_f1": ("Float64", "on the validation split; only for validation"),
}  # fmt: skip
"""Type and meaning of each column of ``load_curves``."""


class Point(NamedTuple):
    """A point of a curve; ``CURVES`` describes the fields."""

    pass_name: str
    step: int
    elapsed_seconds: float
    tokens_per_second: float | None = None
    loss_nats: float | None = None
    macro_f1: float | None = None


def load_records(path: str | Path, *more: str | Path) -> pd.DataFrame:
    """The cells of run folders and reports, one row each, failed ones included.

    Every column has a nullable type: unknown is NA, never NaN or 0. Numbers are in SI units and bytes, as their names
    say. In addition to the columns below, there is ``option_<name>`` for each option of a method, NA for methods
    without it, and ``version_<package>`` for each recorded package. A record that cannot be read is left out with a
    warning.

    Args:
        path: run folder, e.g. ``runs/demo``, or report, e.g. ``reports/demo``.
        more: further run folders or reports; the column ``machine`` distinguishes them.

    Raises:
        bench.errors.RunFolderError: a path is neither run folder nor report, damaged, given twice, or of a newer
            schema.
    """
    return records_frame(_load(path, more))


load_records.__doc__ = f"{load_records.__doc__}\n{described()}\n"


def load_curves(path: str | Path, *more: str | Path) -> pd.DataFrame:
    """The curves of cells over their steps, one row per point: throughput, loss, F1 on the validation split.

    A long curve is reduced to 120 points; the run folder's steps.csv has every step.

    Args:
        path: run folder or report; older reports have no curves.
        more: further run folders or reports.

    Raises:
        bench.errors.RunFolderError: a path is neither run folder nor report, damaged, given twice, or of a newer
            schema.
    """
    results = _load(path, more)
    rows = [
        (run.name, label, record.cell_id, *_names(record), *point)
        for run, label in zip(results.runs, results.labels(), strict=True)
        for record, points in ((cell.record, points_of(cell)) for cell in run.cells)
        for point in points
    ]
    by_column = zip(*rows, strict=True) if rows else ([] for _ in CURVES)
    return pd.DataFrame(
        {
            name: pd.array(list(values), dtype=dtype)
            for (name, (dtype, _)), values in zip(CURVES.items(), by_column, strict=True)
        }
    )


def points_of(cell: Measured) -> Iterator[Point]:
    """The points of a cell's curves, pass by pass, and of its validation."""
    for curve in cell.evidence.curves:
        losses = curve.loss or (None,) * len(curve.last_step)
        for values in zip(curve.last_step, curve.elapsed_seconds, curve.tokens_per_second, losses, strict=True):
            yield Point(curve.name, *values)
    if cell.record.training is not None:
        for point in cell.record.training.validation:
            yield Point("validation", point.step, point.train_seconds, macro_f1=point.macro_f1)


def _load(path: str | Path, more: Sequence[str | Path]) -> Results:
    said: list[str] = []
    results = load([Path(path), *map(Path, more)], said.append)
    for text in said:
        warnings.warn(text, stacklevel=3)  # at the caller of load_records
    return results


def _names(record: Record) -> tuple[str, str, str, int, int]:
    cell = record.cell
    return cell.dataset.name, cell.model.name, cell.method.name, cell.seed, cell.repeat


def records_frame(results: Results) -> pd.DataFrame:
    """The data frame of ``load_records`` for results in memory."""
    labelled = zip(results.runs, results.labels(), strict=True)
    cells = [content for run, label in labelled for content in _cells(run, label)]
    records = [cell.record for cell in results.cells]
    found = {name: pd.array([cell[name] for cell in cells], dtype=one.dtype) for name, one in columns().items()}
    options = _spread(OPTION, [record.cell.method.options for record in records])
    versions = _spread(VERSION, [record.machine.packages if record.machine else {} for record in records])
    return pd.DataFrame(found | options | versions)


def _cells(run: Run, label: str) -> Iterator[dict[str, Any]]:
    """The values of each cell by column; the successful cells of a row are read together, as are the failed ones."""
    read = {name: column.values for name, column in columns().items() if column.values}
    found: dict[int, dict[str, Any]] = {}
    for row in (row for ok in (True, False) for row in by_row(r for r in run.records if (r.status == "ok") == ok)):
        by_column = {name: values(row) for name, values in read.items()}
        for at, record in enumerate(row):
            found[id(record)] = {name: values[at] for name, values in by_column.items()}
    for record in run.records:
        yield {"run": run.name, "machine": label} | found[id(record)]


def _spread(prefix: str, tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A column for each key of the tables, in order of first appearance."""
    names = dict.fromkeys(name for table in tables for name in table)
    return {f"{prefix}{name}".replace("-", "_"): _typed([table.get(name) for table in tables]) for name in names}


def _typed(values: Sequence[Any]) -> Any:
    """The values in the narrowest type that holds them all; else as text, with other values as JSON."""
    kinds = {type(value) for value in values if value is not None}
    allowed_kinds: tuple[tuple[set[type], Any], ...] = (
        ({bool}, "boolean"), ({int}, "Int64"), ({int, float}, "Float64"),
    )  # fmt: skip
    for allowed, dtype in allowed_kinds:
        if kinds and kinds <= allowed:
            return pd.array(list(values), dtype=dtype)
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pd.array(texts, dtype="string")
