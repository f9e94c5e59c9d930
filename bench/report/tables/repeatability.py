"""Variation of repeated measurements of the same seed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.record.record import Record
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.statistics import mean_std, measured
from bench.report.tables import validity
from bench.report.tables.conditions import conditions
from bench.report.tables.footnotes import Notes
from bench.report.tables.table import TEXTS, Table, describe, frame_of, rows_of
from bench.study.cell import Cell
from bench.text.tables.table import DASH, Column, Values

NAME = "repeatability"
REPEATS = Column("measurements", "Measured", lambda row: str(row["measurements"] or row["status"]))


def build(title: str, records: Sequence[Record], *, source: str = "", others: Sequence[Cell] = ()) -> Table | None:
    """Coefficients of variation over the repeats of each row; None without repeats.

    Arguments and errors: ``table3.build``.
    """
    rows = [row for row in rows_of(title, records) if any(record.cell.repeat for record in row)]
    if not rows:
        return None
    notes, quantities = Notes(), [replace(one, spread=True) for one in QUANTITIES.of("repeatability")]
    content = describe(rows, quantities, notes, others)
    for at, row in enumerate(rows):
        good = measured(row)
        for quantity in quantities:
            content[at] |= _variation(quantity, good)
        content[at] |= validity.mark(at, row, notes) | {"note": notes.of_row(at)}
    caption = (
        f"{conditions([record for row in rows for record in row])} CV: the coefficient of variation, sample standard "
        "deviation over mean, within a seed; of several seeds the largest."
    )
    return Table(
        name=NAME, title=f"{title}: repeatability", caption=caption,
        columns=(REPEATS, *map(_column, quantities), validity.COLUMN),
        frame=frame_of(content, (*TEXTS, *validity.TEXTS)), footnotes=tuple(notes.footnotes()), marks=notes.marks(),
        source=source,
    )  # fmt: skip


def _variation(quantity: Quantity, good: Sequence[Record]) -> dict[str, Any]:
    """The largest coefficient of variation within one seed; None if no seed has two values."""
    by_seed: dict[int, list[float]] = {}
    for record, value in zip(good, quantity.values(good), strict=True):
        if value is not None:
            by_seed.setdefault(record.cell.seed, []).append(value)
    found = []
    for mean, std in (mean_std(values) for values in by_seed.values() if len(values) > 1):
        assert std is not None, "there are two values or more"
        found.append(100 * std / abs(mean) if mean else 0.0)
    return {f"{quantity.column}_cv_percent": max(found, default=None)}


def _column(quantity: Quantity) -> Column:
    def write(row: Values) -> str:
        centre, variation = row[quantity.centre], row[f"{quantity.column}_cv_percent"]
        if pd.isna(centre):
            return DASH
        text = quantity.written(centre, None)
        if pd.isna(variation):
            return text
        return f"{text} ({'identical' if variation == 0 else f'CV {variation:.2f} %'})"

    return Column(quantity.column, quantity.header, write)
