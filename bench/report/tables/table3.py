"""Table 3 of the published study from records: quality and resources by dataset, model and method."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.record.record import Record
from bench.report.analysis import ranks
from bench.report.analysis.bootstrap import RESAMPLES
from bench.report.analysis.f1_significance import Against, F1Significance, Standing
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.significance import LEVEL
from bench.report.tables import scores, validity
from bench.report.tables.conditions import conditions
from bench.report.tables.footnotes import Notes, mark_warnings
from bench.report.tables.scores import F1, F1_INTERVAL, NO_INTERVAL
from bench.report.tables.table import TEXTS, Table, column_of, describe, frame_of, rows_of
from bench.study.cell import Cell
from bench.text.display import one_line
from bench.text.tables.table import Column, Footnote

NAME = "table3"
RATES = ("train_samples_per_second", "inference_samples_per_second")
OWN_TEXTS = (
    *TEXTS, *validity.TEXTS, *(f"{column}_mark" for column in (F1, *RATES)), "macro_f1_interval_over", "against_best",
)  # fmt: skip


def build(
    title: str, records: Sequence[Record], missing: int = 0, remarks: Sequence[str] = (),
    judge: F1Significance | None = None, *, source: str = "", others: Sequence[Cell] = (),
) -> Table:  # fmt: skip
    """Aggregate records over their seeds.

    Args:
        title: title of the study.
        records: records in the study's order, failed ones included.
        missing: number of cells that have not been run yet.
        remarks: footnotes about the whole table, e.g. the study's notes and the command.
        judge: significance of these records' F1; None: without predictions.
        source: digests of the archive.
        others: one cell of each row of other runs.

    Raises:
        RunFolderError: there is no record, or a cell has two.
    """
    rows, notes, quantities = rows_of(title, records), Notes(), QUANTITIES.of("table3", records)
    content = describe(rows, quantities, notes, others)
    judge = judge or F1Significance(records)
    found = judge.standings(rows)
    rates = ranks.of_rates(rows, content, [one for one in quantities if one.column in RATES])
    ranked = rates | scores.ranks(found)
    for at, (row, standing) in enumerate(zip(rows, found, strict=True)):
        sources = {name: content[at].pop(name) for name in ("synthetic", "weights")}
        content[at] |= scores.of_row(at, row, standing, content[at], notes) | scores.floors(row)
        content[at] |= _standing(at, standing, content, notes) | ranks.as_text(ranked, at, RATES)
        content[at] |= sources | validity.mark(at, row, notes)
        mark_warnings(notes, at, row)
    for at, standing in enumerate(found):
        _explain_interval(at, standing, content[at], notes)
        content[at]["note"] = notes.of_row(at)
    frame = frame_of(content, OWN_TEXTS)
    return Table(
        name=NAME, title=title, caption=f"{conditions(records)} {_caption(frame, found, judge.reads, bool(rates))}",
        columns=_columns(quantities), frame=frame,
        footnotes=(*notes.footnotes(), *scores.floor_lines(content, rows), *_loose(missing, remarks)),
        marks=notes.marks(), ranks=ranked, source=source,
    )  # fmt: skip


def _loose(missing: int, remarks: Sequence[str]) -> list[Footnote]:
    """Footnotes about the whole table."""
    texts = [f"{missing} {'cells' if missing > 1 else 'cell'} not run yet"] if missing else []
    return [Footnote("", text) for text in (*texts, *map(one_line, remarks)) if text]


def _columns(quantities: Sequence[Quantity]) -> tuple[Column, ...]:
    f1, *others = map(column_of, quantities)
    return (*scores.columns(f1), *others, validity.COLUMN)


def _standing(at: int, standing: Standing, content: Sequence[Mapping[str, Any]], notes: Notes) -> dict[str, Any]:
    """Comparison of one row with the best, for the frame; adds its footnotes."""
    against = standing.against
    if content[at][f"{F1}_mean"] is None:
        notes.repeat(at, F1, F1_INTERVAL)
    elif standing.unread:
        notes.add(at, F1_INTERVAL, scores.without_texts(standing))
    if against is not None and against.verdict != "lower":
        notes.add(at, F1, _said(against, content[against.best]["method"]))
    lead_low, lead_high = (against and against.lead) or (None, None)
    return {
        "macro_f1_interval_over": " and ".join(standing.over),
        "against_best": "best" if standing.is_best else against.verdict if against else "",
        "best_lead_low": lead_low,
        "best_lead_high": lead_high,
    }


def _explain_interval(at: int, standing: Standing, numbers: Mapping[str, Any], notes: Notes) -> None:
    """Explain a missing interval; as the least important footnote it comes last."""
    if numbers[f"{F1}_mean"] is not None and standing.interval is None and not standing.unread:
        notes.add(at, F1_INTERVAL, NO_INTERVAL)


def _said(against: Against, best: str) -> str:
    of = f"the best of its model and dataset, {best}"
    if against.lead is None:
        return one_line(f"not known whether it can be told apart from {of}: {against.reason}", 300)
    over = "" if "texts" in against.over else ", judged over seeds alone"
    verdict = "not told apart from" if against.verdict == "not told apart" else "on the seeds of both higher than"
    return f"{verdict} {of}{over}"


def _caption(frame: pd.DataFrame, found: Sequence[Standing], predictions: bool, rates_ranked: bool) -> str:
    """Explanation of intervals and marks."""
    parts = []
    repeats = " and repeats" if (frame["measurements"] > frame["seeds"]).any() else ""
    student = f"Student's t {LEVEL:.0%} interval over seeds"
    if any("texts" in standing.over for standing in found):
        parts.append(
            f"F1 interval: {LEVEL:.0%} percentile bootstrap over {RESAMPLES:,} resamples of the texts; with several "
            f"seeds of these too, and as wide as {student}."
        )
    elif not predictions:
        parts.append(
            f"F1 interval: {student}, which takes the texts as given, for no predictions are beside these records."
        )
    if any(standing.against for standing in found):
        parts += [
            "Every row is marked that cannot be told apart from the best of its model and dataset; the csv has the "
            f"{LEVEL:.0%} interval of the best's lead, not corrected for the number of rows.",
            ranks.of_f1("a model and dataset", predictions),
        ]
    if rates_ranked or any(standing.against for standing in found):
        parts.append(ranks.OF_RATES)
    if not frame[[f"{rate}_low" for rate in RATES]].isna().all(axis=None):
        parts.append(
            f"The csv has intervals of throughput: {student}{repeats}; of a single measurement by order statistics of "
            "windows."
        )
    parts.append("Stamp: suspect where a check of the measurement failed with any seed.")
    return " ".join(parts)
