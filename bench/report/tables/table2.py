"""Table 2 of the published study from records: quality, a row for dataset x model x method."""

from collections.abc import Sequence

from bench.cell import Cell
from bench.printable import one_line
from bench.record import Record
from bench.report.analysis import ranks
from bench.report.analysis.quantities import QUALITY
from bench.report.analysis.standings import Judge
from bench.report.tables import scores
from bench.report.tables.conditions import settings
from bench.report.tables.footnotes import Notes
from bench.report.tables.scores import F1
from bench.report.tables.table import SEEDS, TEXTS, Column, Table, column_of, describe, frame_of, rows_of

NAME = "table2"
SHOWN = ("accuracy", "macro_precision", "macro_recall", F1)
TEXTS_OF_QUALITY = (*TEXTS, f"{F1}_mark")
MACRO = "Precision, recall and F1 are unweighted means over the labels; the csv has the F1 weighted by texts too."


def build(
    run_title: str,
    records: Sequence[Record],
    judge: Judge | None = None,
    *,
    source: str = "",
    others: Sequence[Cell] = (),
) -> Table | None:
    """Aggregate quality over seeds; None where no record has any.

    Args:
        run_title: of the study.
        records: in the study's order; failed ones too.
        judge: of these records; absent: one that knows no predictions.
        source: what the records are.
        others: a cell of each row of other runs that stands beside these.

    Raises:
        RunFolderError: there is no record, or a cell has two.
    """
    title = one_line(run_title)
    rows, notes = rows_of(title, records), Notes()
    content = describe(rows, QUALITY, notes, others)
    if all(row[f"{F1}_mean"] is None for row in content):
        return None
    judge = judge or Judge(records)
    found = judge.standings(rows)
    for at, (row, standing) in enumerate(zip(rows, found, strict=True)):
        content[at] |= scores.of_row(at, row, standing, content[at], notes) | {"note": notes.of_row(at)}
    ranked = [ranks.of_f1("a model and dataset", judge.reads)] if any(standing.against for standing in found) else []
    return Table(
        name=NAME,
        title=f"{title}: quality",
        caption=" ".join([settings(records), MACRO, *ranked]),
        columns=columns(),
        frame=frame_of(content, TEXTS_OF_QUALITY),
        footnotes=tuple(notes.footnotes()),
        marks=notes.marks(),
        ranks=scores.ranks(found),
        source=source,
    )


def columns() -> tuple[Column, ...]:
    """What readers see of quality."""
    return (SEEDS, *(column_of(quantity) for quantity in QUALITY if quantity.column in SHOWN))
