"""Throughput with intervals, latency, energy, device use and memory breakdowns, which Table 3 has no room for."""

from collections.abc import Sequence

import pandas as pd

from bench.record.record import Record
from bench.report.analysis import ranks
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Place, Quantity
from bench.report.analysis.quantities.readers import inference_batch
from bench.report.analysis.significance import LEVEL
from bench.report.tables import search_costs, validity
from bench.report.tables.conditions import conditions
from bench.report.tables.footnotes import Notes
from bench.report.tables.table import SEEDS, TEXTS, Table, column_of, describe, frame_of, rows_of
from bench.study.cell import Cell
from bench.text.tables.table import Column, Values

NAME = "efficiency"
#: Heading of each grid, and its place in the registry.
GRIDS: tuple[tuple[str, Place], ...] = (
    ("Throughput", "throughput"), ("Latency of inference", "latency"), ("Energy and use of the device", "use"),
    ("Training", "training work"), ("Search of the options", "search"),
    ("Peak memory in training, in MB", "train memory"), ("Peak memory in inference, in MB", "inference memory"),
)  # fmt: skip
#: Footnote of a row without intervals.
ONE_MEASUREMENT = "one measurement has no interval; it takes several seeds, or repeats"
#: Part of a header that the heading of its grid repeats.
SHORT = " throughput\n"


def build(title: str, records: Sequence[Record], *, source: str = "", others: Sequence[Cell] = ()) -> Table | None:
    """Aggregate records over their seeds; None if records have only totals. Arguments and errors: ``table3.build``."""
    if not any(map(_has_more, records)):
        return None
    rows, notes = rows_of(title, records), Notes()
    grids = [(heading, found) for heading, place in GRIDS if (found := QUANTITIES.of(place, records))]
    quantities = [quantity for _, of in grids for quantity in of]
    rates = [quantity for quantity in grids[0][1] if quantity.spread]
    content = describe(rows, quantities, notes, others)
    # Columns that only the csv has get no footnotes.
    in_csv = describe(rows, QUANTITIES.of("efficiency csv"), Notes(), others)
    content = [more | row for more, row in zip(in_csv, content, strict=True)]
    ranked = ranks.of_rates(rows, content, rates)
    names = [quantity.column for quantity in rates]
    for at, row in enumerate(rows):
        if content[at]["measurements"] == 1:
            notes.add(at, SEEDS.name, ONE_MEASUREMENT)
        content[at] |= ranks.as_text(ranked, at, names) | search_costs.chosen(row, records)
        content[at] |= validity.mark(at, row, notes) | {"note": notes.of_row(at)}
    first, *rest = [(heading, tuple(map(_column, of))) for heading, of in grids]
    return Table(
        name=NAME, title=f"{title}: efficiency",
        caption=f"{conditions(records)} {_caption(records)} {ranks.OF_RATES}{search_costs.caption(records)}",
        columns=(SEEDS, *map(_column, quantities), validity.COLUMN),
        frame=frame_of(content, (*TEXTS, *validity.TEXTS, search_costs.CHOSEN, *(f"{name}_mark" for name in names))),
        footnotes=tuple(notes.footnotes()), marks=notes.marks(), ranks=ranked,
        grids=((first[0], (SEEDS, *first[1], validity.COLUMN)), *rest), source=source,
    )  # fmt: skip


def _has_more(record: Record) -> bool:
    used = any(one.read(record) is not None for one in QUANTITIES.of("use"))
    return bool(record.latency or record.memory or record.tuning) or used


def _column(quantity: Quantity) -> Column:
    """A quantity with its interval, if it has one."""
    alone = column_of(quantity)

    def write(row: Values) -> str:
        low, high = row[f"{quantity.column}_low"], row[f"{quantity.column}_high"]
        ends: str = "" if pd.isna(low) else f" ({quantity.written(low, None)} to {quantity.written(high, None)})"
        return alone.write(row) + ends

    return Column(quantity.column, alone.header.replace(SHORT, "\n"), write) if quantity.spread else alone


def _caption(records: Sequence[Record]) -> str:
    batches = sorted({inference_batch(record) for record in records if record.latency})
    parts = [
        f"In brackets: Student's t {LEVEL:.0%} interval over seeds and repeats.",
        "Tokens: those of texts and prompts, without padding.",
    ]
    if batches:
        study = ", ".join(map(str, batches))
        parts.append(
            f"Latency: time from passing a batch to the model to receiving its scores; the study's batch is {study}. "
            "The csv has the number of batches, and intervals of percentiles over the batches of a cell."
        )
    if any(record.inference and record.inference.within_cell for record in records):
        parts.append(
            "Standard error within cell: of the throughput, from the variation of step times within one cell "
            "(moving-block bootstrap); repeats differ by more."
        )
    parts += [
        "Energy: GPU, or CPU package. MFU: share of the FLOP/s of a large matmul on the same device in the same "
        "precision, the highest of up to three readings.",
        "The parts of a peak are measured in a separate pass and add up to the peak; allocator slack is known for GPUs "
        "only.",
    ]
    return " ".join(parts)
