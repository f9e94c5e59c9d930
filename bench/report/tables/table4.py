"""Table 4 of the published study from records: quality of the variants of one method."""

from collections.abc import Hashable, Sequence
from typing import Any

from bench.record.record import Record
from bench.report.analysis import ranks
from bench.report.analysis.f1_significance import F1Significance
from bench.report.analysis.names import HEADS, apart, flat
from bench.report.analysis.quantities import QUANTITIES
from bench.report.tables import scores, table2
from bench.report.tables.conditions import settings
from bench.report.tables.footnotes import Notes
from bench.report.tables.scores import F1
from bench.report.tables.table import Table, describe, frame_of, rows_of
from bench.study.cell import Cell
from bench.text.tables.table import DASH, Column

NAME = "table4"
VARIANT = {"dataset": HEADS["dataset"], "model": HEADS["model"], "plugin": "Method", "method": "Variant"}
OPTIONS = Column("options", "Options\nthat differ", lambda row: row["options"] or DASH, prose=True)
NO_OPTION = "no option or train setting differs from the other variants"


def build(
    title: str, records: Sequence[Record], significance: F1Significance | None = None, *, source: str = "",
    others: Sequence[Cell] = (),
) -> Table | None:  # fmt: skip
    """Aggregate the quality of variants over seeds; None if no method has two variants on a dataset and model.

    Arguments and errors: ``table3.build``.
    """
    rows, notes = _variants(rows_of(title, records)), Notes()
    if not rows:
        return None
    content = describe(rows, QUANTITIES.of("table2 csv"), notes, others)
    if all(row[f"{F1}_mean"] is None for row in content):
        return None
    significance = significance or F1Significance(records)
    found = significance.of_rows(rows, _group)
    for at, (row, own) in enumerate(zip(rows, found, strict=True)):
        content[at] |= scores.of_row(at, row, own, content[at], notes) | _variant(at, rows, notes)
        content[at]["note"] = notes.of_row(at)
    caption = [settings([record for row in rows for record in row]), table2.MACRO]
    if any(own.against for own in found):
        caption.append(ranks.of_f1("the variants of one method on one model and dataset", significance.reads))
    return Table(
        name=NAME, title=f"{title}: variants of one method", caption=" ".join(caption), heads=VARIANT,
        columns=(OPTIONS, *table2.columns()),
        frame=frame_of(
            [{name: row[name] for name in VARIANT} | row for row in content],
            (*table2.TEXTS_OF_QUALITY, "plugin", "options"),
        ),
        footnotes=tuple(notes.footnotes()), marks=notes.marks(), ranks=scores.ranks(found), source=source,
    )  # fmt: skip


def _group(record: Record) -> Hashable:
    return record.cell.dataset.name, record.cell.model.name, record.cell.method.plugin


def _variants(rows: Sequence[Sequence[Record]]) -> list[Sequence[Record]]:
    """The rows of plugins with several variants on a dataset and model, grouped."""
    found: list[Sequence[Record]] = []
    for places in ranks.grouped(rows, _group):
        if len({rows[at][0].cell.method.name for at in places}) > 1:
            found += [rows[at] for at in places]
    return found


def _variant(at: int, rows: Sequence[Sequence[Record]], notes: Notes) -> dict[str, Any]:
    """The plugin of one row, and the options in which it differs from the other variants."""
    cells = [row[0].cell for row in rows]
    facts = [flat(cell.method.options) | flat({"train": cell.train.model_dump()}) for cell in cells]
    options = apart(at, [_group(row[0]) for row in rows], facts)
    if not options:
        notes.add(at, OPTIONS.name, NO_OPTION)
    return {"plugin": cells[at].method.plugin, "options": options}
