"""A table of measured cells: one row per dataset, model and method, aggregated over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bench.errors import RunFolderError
from bench.record.record import Record
from bench.report.analysis.comparability import conditions
from bench.report.analysis.names import HEADS, NAMES, NOT_A_SETTING, apart, flat, labels
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.quantities.readers import is_synthetic
from bench.report.analysis.statistics import by_row, measured, over_seeds
from bench.report.tables.footnotes import Notes, mark_chosen, mark_sources
from bench.study.cell import Cell
from bench.text.display import one_line
from bench.text.tables import table as tables
from bench.text.tables.table import DASH, Column, Values

SAME_NAME = "differs from the row of the same name in: "
UNLIKE = (
    "measured on several machines or in several precisions: speed, energy and memory are averaged over different "
    "conditions"
)
#: Text columns of the frame; all others are numbers.
TEXTS = (*NAMES, "status", "weights", "note")
#: Whole numbers that are not in the registry of quantities.
COUNTS = (
    "seeds", "measurements", "failed_measurements", "suspect_measurements", "failed_trials", "train_samples",
    "validation_samples", "test_samples", "classes", "texts",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(tables.Table):
    """A table of a report.

    Attributes:
        heads: headers of the names.
        frame: raw numbers, units in the column names; NA is unknown.
        rows: rows of the frame; None is unknown.
    """

    heads: Mapping[str, str] = field(default_factory=lambda: HEADS)
    frame: pd.DataFrame
    rows: Sequence[Values] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the rows from the frame."""
        frame = self.frame.astype(object)
        object.__setattr__(self, "rows", frame.where(self.frame.notna(), None).to_dict("records"))
        tables.Table.__post_init__(self)


def _seeds(row: Values) -> str:
    repeated = f" ({row['measurements']} measured)" if row["measurements"] > row["seeds"] else ""
    return f"{row['seeds']}{repeated}" if row["seeds"] else str(row["status"])


SEEDS = Column("seeds", "Seeds", _seeds)


def column_of(quantity: Quantity) -> Column:
    """The column of a quantity."""

    def write(row: Values) -> str:
        centre, std = row[quantity.centre], row[f"{quantity.column}_std"] if quantity.spread else pd.NA
        return DASH if pd.isna(centre) else quantity.written(centre, None if pd.isna(std) else std)

    return Column(quantity.column, quantity.header, write)


def rows_of(title: str, records: Sequence[Record]) -> list[list[Record]]:
    """The records of each row.

    Args:
        title: title of the run, for messages.
        records: records in the study's order, failed ones included.

    Raises:
        RunFolderError: there is no record, or a cell has two.
    """
    if not records:
        raise RunFolderError(f"{title}: no finished cells; run the study first")
    seen: set[str] = set()
    for record in records:
        if record.cell_id in seen:
            raise RunFolderError(f"{title}: cell {record.cell_id} has more than one record")
        seen.add(record.cell_id)
    return by_row(records)


def describe(
    rows: Sequence[Sequence[Record]], quantities: Sequence[Quantity], notes: Notes, others: Sequence[Cell] = ()
) -> list[dict[str, Any]]:
    """Names, status and numbers of every row, for the frame.

    Args:
        rows: records of each row.
        quantities: number columns.
        notes: footnotes, to which sources, failures and reasons for unknown numbers are added.
        others: one cell of each row of other runs, from which names must differ.
    """
    names = _names([row[0].cell for row in rows], notes, others)
    return [names[at] | _row(at, row, quantities, notes) for at, row in enumerate(rows)]


def _names(cells: Sequence[Cell], notes: Notes, others: Sequence[Cell]) -> list[dict[str, str]]:
    """Labels of every row; rows of equal names get a footnote with the settings that differ."""
    everyone = [*cells, *others]
    keys = [tuple(getattr(cell, part).name for part in NAMES) for cell in everyone]
    settings = [flat(cell.model_dump(exclude=NOT_A_SETTING)) for cell in everyone]
    for at in range(len(cells)):
        if own := apart(at, keys, settings):
            notes.add(at, "method", f"{SAME_NAME}{own}")
    return [labels(cell, everyone) for cell in cells]


def apart_from_others(at: int, notes: Notes) -> str:
    """The settings in which a row differs from others of its names, as ``describe`` noted them; may be empty."""
    texts = notes.texts.get((at, "method"), [])
    return next((text.removeprefix(SAME_NAME) for text in texts if text.startswith(SAME_NAME)), "")


def _row(at: int, records: Sequence[Record], quantities: Sequence[Quantity], notes: Notes) -> dict[str, Any]:
    cell = records[0].cell
    synthetic = any(map(is_synthetic, records))
    mark_sources(notes, at, cell, synthetic)
    good = measured(records)
    failed = [record for record in records if record.status != "ok"]
    messages = failures(records)
    if good and failed:
        notes.add(at, quantities[0].column, messages)
    if len({conditions(record) for record in good if record.machine}) > 1:
        notes.add(at, "method", UNLIKE)
    mark_chosen(notes, at, good)
    numbers: dict[str, float | None] = {}
    for quantity in quantities:
        values, reason = _number(quantity, good, messages)
        numbers |= values
        if reason:
            notes.add(at, quantity.column, reason)
    status = ("partial" if good else "; ".join(dict.fromkeys(map(_stopped, failed)))) if failed else "ok"
    counts = {"seeds": len({record.cell.seed for record in good}), "measurements": len(good)}
    counts["failed_measurements"] = len(failed)
    return {"status": status} | counts | numbers | {"synthetic": synthetic, "weights": cell.model.weights}


def _number(quantity: Quantity, good: Sequence[Record], messages: str) -> tuple[dict[str, float | None], str]:
    """Mean and spread over the measured seeds by column, and the reason why some are unknown."""
    spread = over_seeds(good, quantity)
    mean = round(spread.mean) if quantity.is_whole and spread.mean is not None else spread.mean
    numbers: dict[str, float | None] = {quantity.centre: mean}
    if quantity.spread:
        numbers |= {f"{quantity.column}_{part}": getattr(spread, part) for part in ("std", "low", "high")}
    if not good:
        return numbers, messages
    known = f"known for {spread.known} of {len(good)} {_each(good)}: " if spread.known else ""
    return numbers, known + "; ".join(spread.reasons) if spread.reasons else ""


def _each(records: Sequence[Record]) -> str:
    """The word for the records of a row."""
    return "measurements" if any(record.cell.repeat for record in records) else "seeds"


def failures(records: Sequence[Record], of: str = "") -> str:
    """Why records of a row failed; empty if none did.

    Args:
        records: records of the row.
        of: word for the records; empty: seeds, or measurements if there are repeats.
    """
    failed = [record for record in records if record.status != "ok"]
    messages = "; ".join(dict.fromkeys(map(_failure, failed)))
    return (
        f"{len(failed)} of {len(records)} {of or _each(records)} failed: {messages}"
        if failed and len(records) > 1
        else messages
    )


def _failure(record: Record) -> str:
    message = one_line(record.failure.message, 160) if record.failure else "the record gives no reason"
    return f"{_stopped(record)}: {message}"


def _stopped(record: Record) -> str:
    return f"{record.status} in {one_line(record.failure.phase, 40)}" if record.failure else record.status


def frame_of(rows: Sequence[Values], texts: Sequence[str] = TEXTS) -> pd.DataFrame:
    """The data frame of a table, with nullable columns: unknown is NA, never NaN.

    Args:
        rows: values of each row by column.
        texts: names of the text columns.
    """
    kinds = dict.fromkeys(texts, "string") | {"synthetic": "bool"}
    kinds |= dict.fromkeys((*COUNTS, *(one.column for one in QUANTITIES if one.is_whole)), "Int64")
    frame = pd.DataFrame(rows, dtype=object)
    return frame.astype({column: kinds.get(column, "Float64") for column in frame.columns})
