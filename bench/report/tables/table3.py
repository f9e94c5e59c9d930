"""Table 3 of the published study from records: quality and resources by dataset, model and method."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.record.record import Record
from bench.report.analysis import ranks
from bench.report.analysis.baseline_comparison import against_baselines
from bench.report.analysis.f1_significance import Against, F1Significance, RowSignificance
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.significance import LEVEL
from bench.report.tables import baseline_notes, scores, search_costs, validity
from bench.report.tables.conditions import conditions
from bench.report.tables.footnotes import Notes, mark_warnings
from bench.report.tables.scores import F1, F1_INTERVAL, INTERVAL_OVER, NO_INTERVAL
from bench.report.tables.table import TEXTS, Table, column_of, describe, frame_of, rows_of
from bench.study.cell import Cell
from bench.text.display import one_line
from bench.text.tables.table import Column, Footnote

NAME = "table3"
OWN_TEXTS = (*TEXTS, *validity.TEXTS, f"{F1}_mark", INTERVAL_OVER, "against_best")


def build(
    title: str, records: Sequence[Record], missing: int = 0, remarks: Sequence[str] = (),
    significance: F1Significance | None = None, *, source: str = "", others: Sequence[Cell] = (),
) -> Table:  # fmt: skip
    """Aggregate records over their seeds.

    Args:
        title: title of the study.
        records: records in the study's order, failed ones included.
        missing: number of cells that have not been run yet.
        remarks: footnotes about the whole table, e.g. the study's notes and the command.
        significance: significance of these records' F1; None: without predictions.
        source: digests of the archive.
        others: one cell of each row of other runs.

    Raises:
        RunFolderError: there is no record, or a cell has two.
    """
    rows, notes, quantities = rows_of(title, records), Notes(), QUANTITIES.of("table3", records)
    content = describe(rows, quantities, notes, others)
    costs = search_costs.columns(rows, records, others)
    significance = significance or F1Significance(records)
    found = significance.of_rows(rows)
    timed = [one for one in quantities if one.kind == "timed" and one.spread]
    rates, names = ranks.of_rates(rows, content, timed), [one.column for one in timed]
    ranked = rates | scores.ranks(found)
    compared = against_baselines(significance, rows)
    methods = [numbers["method"] for numbers in content]
    for at, (row, own) in enumerate(zip(rows, found, strict=True)):
        sources = {name: content[at].pop(name) for name in ("synthetic", "weights")}
        content[at] |= scores.of_row(at, row, own, content[at], notes) | scores.baselines(row)
        content[at] |= _against_best(at, own, content, notes) | ranks.as_text(ranked, at, names)
        if any(compared):
            content[at] |= baseline_notes.columns(at, compared[at], methods, notes, content)
        content[at] |= costs[at] | sources | validity.mark(at, row, notes)
        mark_warnings(notes, at, row)
    for at, own in enumerate(found):
        _explain_interval(at, own, content[at], notes)
        content[at]["note"] = notes.of_row(at)
    frame = frame_of(
        content, (*OWN_TEXTS, *baseline_notes.TEXTS, search_costs.CHOSEN, *(f"{name}_mark" for name in names))
    )
    return Table(
        name=NAME, title=title,
        caption=f"{conditions(records)} {_caption(frame, found, significance.reads, names, ranked=bool(rates))}"
        f"{' ' + baseline_notes.CAPTION if any(compared) else ''}{search_costs.caption(records, in_csv=True)}",
        columns=_columns(quantities), frame=frame,
        footnotes=(*notes.footnotes(), *scores.baseline_lines(content, rows), *_loose(missing, remarks)),
        marks=notes.marks(), ranks=ranked, source=source,
    )  # fmt: skip


def _loose(missing: int, remarks: Sequence[str]) -> list[Footnote]:
    """Footnotes about the whole table."""
    texts = [f"{missing} {'cells' if missing > 1 else 'cell'} not run yet"] if missing else []
    return [Footnote("", text) for text in (*texts, *map(one_line, remarks)) if text]


def _columns(quantities: Sequence[Quantity]) -> tuple[Column, ...]:
    f1, *others = map(column_of, quantities)
    return (*scores.columns(f1), *others, validity.COLUMN)


def _against_best(at: int, own: RowSignificance, content: Sequence[Mapping[str, Any]], notes: Notes) -> dict[str, Any]:
    """Comparison of one row with the best, for the frame; adds its footnotes."""
    against = own.against
    if content[at][f"{F1}_mean"] is None:
        notes.repeat(at, F1, F1_INTERVAL)
    elif own.unread:
        notes.add(at, F1_INTERVAL, scores.without_texts(own))
    if against is not None and against.verdict != "lower":
        notes.add(at, F1, _comparison(against, content[against.best]["method"]))
    lead_low, lead_high = (against and against.lead) or (None, None)
    return {
        "against_best": "best" if own.is_best else against.verdict if against else "",
        "best_lead_low": lead_low,
        "best_lead_high": lead_high,
        "best_lead_adjusted_p_value": against and against.p_value,
        "detectable_difference": against and against.detectable,
    }


def _explain_interval(at: int, own: RowSignificance, numbers: Mapping[str, Any], notes: Notes) -> None:
    """Explain a missing interval; as the least important footnote it comes last."""
    if numbers[f"{F1}_mean"] is not None and own.interval is None and not own.unread:
        notes.add(at, F1_INTERVAL, NO_INTERVAL)


def _comparison(against: Against, best: str) -> str:
    """The verdict on a row that is not lower than the best."""
    of = f"the best of its model and dataset, {best}"
    if against.verdict == "unknown":
        return one_line(f"unknown whether it differs from {of}: {against.reason}", 300)
    over = "" if "texts" in against.over else " (only the variation between seeds counts)"
    if against.verdict == "higher":
        return f"higher, on the seeds of both, than {of}{over}"
    return f"no significant difference from {of}{over}{scores.detectable(against.detectable)}"


def _caption(
    frame: pd.DataFrame, found: Sequence[RowSignificance], predictions: bool, rates: Sequence[str], *, ranked: bool
) -> str:
    """Explanation of intervals and marks."""
    parts = []
    repeats = " and repeats" if (frame["measurements"] > frame["seeds"]).any() else ""
    student = f"Student's t {LEVEL:.0%} interval over seeds"
    if said := scores.sources(found):
        parts.append(said)
    if any(own.against for own in found):
        parts += [
            "A row is marked unless it is significantly lower than the best of its model and dataset; the csv has the "
            f"{LEVEL:.0%} interval of the best row's lead, for that pair alone, and its p-value.",
            ranks.of_f1("one model and dataset", predictions),
        ]
    if ranked or any(own.against for own in found):
        parts.append(ranks.OF_RATES)
    if not frame[[f"{rate}_low" for rate in rates]].isna().all(axis=None):
        parts.append(f"The csv has intervals of throughput: {student}{repeats}; a row with one measurement has none.")
    parts.append("Validity: suspect if a check of the measurement failed for any seed.")
    return " ".join(parts)
