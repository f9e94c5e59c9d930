"""Costs of training and of the search that chose the options, in tables that are not about the search itself."""

from collections.abc import Sequence
from typing import Any

from bench.record.record import Record
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.search import chosen_settings, was_searched
from bench.report.tables.footnotes import Notes
from bench.report.tables.table import describe
from bench.study.cell import Cell

#: Column of the frame with the settings of the best trial.
CHOSEN = "chosen_settings"
OF_TRAINING = (
    "Training (TFLOPs): all steps of one training on its tokens without padding, a multiply-add counted as 2, mean "
    "over seeds; 1 TFLOP is 1e12."
)
OF_SEARCH = (
    "Search: number of trials, and wall-clock time, training FLOPs and energy of all trials together. A row needed its "
    "search once, whatever its number of seeds; the row's own numbers do not contain it. chosen_settings (csv): the "
    "settings of the best trial."
)


def columns(
    rows: Sequence[Sequence[Record]], records: Sequence[Record], others: Sequence[Cell]
) -> list[dict[str, Any]]:
    """The costs of each row that only a csv has; columns that no record has are left out.

    Args:
        rows: records of each row.
        records: all of them.
        others: one cell of each row of other runs.
    """
    quantities = QUANTITIES.of("table3 csv", records)
    found = describe(rows, quantities, Notes(), others) if quantities else [{} for _ in rows]
    return [
        {one.centre: numbers[one.centre] for one in quantities} | chosen(row, records)
        for row, numbers in zip(rows, found, strict=True)
    ]


def chosen(row: Sequence[Record], records: Sequence[Record]) -> dict[str, str]:
    """The chosen settings of one row for the frame; no column if no record was searched."""
    if not any(map(was_searched, records)):
        return {}
    return {CHOSEN: next((found for record in row if (found := chosen_settings(record))), "")}


def caption(records: Sequence[Record], *, in_csv: bool = False) -> str:
    """What the columns mean, as the end of a caption; empty without them.

    Args:
        records: records on show.
        in_csv: whether only the csv has the columns.
    """
    wanted = {one.column for one in QUANTITIES.of("table3 csv", records)}
    parts = [
        text for column, text in (("training_tflops", OF_TRAINING), ("search_seconds", OF_SEARCH)) if column in wanted
    ]
    return f" {'In the csv: ' if in_csv else ''}{' '.join(parts)}" if parts else ""
