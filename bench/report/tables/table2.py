"""Table 2 of the published study from records: quality by dataset, model and method."""

from collections.abc import Sequence

from bench.record.record import Record
from bench.report.analysis import ranks
from bench.report.analysis.f1_significance import F1Significance
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.tables import scores
from bench.report.tables.conditions import settings
from bench.report.tables.footnotes import Notes
from bench.report.tables.scores import F1, INTERVAL_OVER
from bench.report.tables.table import SEEDS, TEXTS, Table, column_of, describe, frame_of, rows_of
from bench.study.cell import Cell
from bench.text.display import one_line
from bench.text.tables.table import Column

NAME = "table2"
TEXTS_OF_QUALITY = (*TEXTS, f"{F1}_mark", INTERVAL_OVER)
BY_CLASS = "F1 by class"
#: Columns of one grid and of all grids; each is as wide as a mean and its deviation.
GRID_CLASSES, SHOWN_CLASSES = 8, 24
MACRO = "Precision, recall and F1 are unweighted means over the labels; the csv has the F1 weighted by texts too."


def build(
    title: str, records: Sequence[Record], significance: F1Significance | None = None, *, source: str = "",
    others: Sequence[Cell] = (),
) -> Table | None:  # fmt: skip
    """Aggregate quality over seeds; None if no record has any. Arguments and errors: ``table3.build``."""
    rows, notes = rows_of(title, records), Notes()
    classes = of_classes(records)
    shown, left_out = classes[:SHOWN_CLASSES], classes[SHOWN_CLASSES:]
    content = describe(rows, (*QUANTITIES.of("table2 csv"), *shown), notes, others)
    if all(row[f"{F1}_mean"] is None for row in content):
        return None
    significance = significance or F1Significance(records)
    found = significance.of_rows(rows)
    for at, (row, own) in enumerate(zip(rows, found, strict=True)):
        content[at] |= scores.of_row(at, row, own, content[at], notes) | {"note": notes.of_row(at)}
    ranked = [ranks.of_f1("one model and dataset", significance.reads)] if any(own.against for own in found) else []
    for at, more in enumerate(describe(rows, left_out, Notes(), others) if left_out else ()):
        content[at] = more | content[at]
    cut = [f"Of {len(classes)} classes the first {SHOWN_CLASSES} are shown; the csv has all."] if left_out else []
    by_class = tuple(map(column_of, shown))
    return Table(
        name=NAME, title=f"{title}: quality", caption=" ".join([settings(records), MACRO, *ranked, *cut]),
        columns=(*columns(), *by_class), frame=frame_of(content, TEXTS_OF_QUALITY), footnotes=tuple(notes.footnotes()),
        marks=notes.marks(), ranks=scores.ranks(found), grids=(("", columns()), *_grids(by_class)) if by_class else (),
        source=source,
    )  # fmt: skip


def columns() -> tuple[Column, ...]:
    """The columns of quality."""
    return (SEEDS, *map(column_of, QUANTITIES.of("table2")))


def of_classes(records: Sequence[Record]) -> tuple[Quantity, ...]:
    """The F1 of each class of these records' datasets; empty if no record has a confusion matrix."""
    # A matrix keeps the order of the classes; a report's archive sorts the names of f1_by_label.
    names = [one.quality.confusion.labels for one in records if one.quality and one.quality.confusion]
    columns: dict[str, str] = {}
    for label in dict.fromkeys(label for labels in names for label in labels):
        name = f"f1_class_{one_line(label, 80)}"
        while name in columns.values():
            name += "_again"
        columns[label] = name
    return tuple(_of_class(label, column) for label, column in columns.items())


def _of_class(label: str, column: str) -> Quantity:
    def read(record: Record) -> float | None:
        return record.quality.f1_by_label.get(label) if record.quality else None

    def explain(record: Record) -> str | None:
        has = record.quality is None or label in record.quality.f1_by_label
        return None if has else f"{one_line(record.cell.dataset.label, 40)} has no class of this name"

    header = one_line(label, 40) or "(no name)"
    return Quantity(column, header, read, ("quality",), 4, True, largest=1, explain=explain)


def _grids(by_class: Sequence[Column]) -> list[tuple[str, tuple[Column, ...]]]:
    starts = range(0, len(by_class), GRID_CLASSES)
    ends = [min(start + GRID_CLASSES, len(by_class)) for start in starts]
    named = [f"{BY_CLASS}, {start + 1} to {end}" for start, end in zip(starts, ends, strict=True)]
    headings = named if len(named) > 1 else [BY_CLASS]
    return [(heading, tuple(by_class[start:end])) for heading, start, end in zip(headings, starts, ends, strict=True)]
