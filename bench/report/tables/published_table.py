"""Published numbers beside the measured ones: a row for each measured row that a published table has too."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.report.analysis.f1_significance import F1Significance, Standing
from bench.report.analysis.significance import LEVEL
from bench.report.analysis.statistics import measured
from bench.report.published import Published
from bench.report.published.quantities import TITLES
from bench.report.results.published_rows import Both, both
from bench.report.results.run import Run
from bench.report.tables import published_verdicts, scores
from bench.report.tables.conditions import conditions
from bench.report.tables.footnotes import Footnote, Notes
from bench.report.tables.published_verdicts import GRIDS, NOT_PRINTED, WITHIN, Pair
from bench.report.tables.scores import F1_INTERVAL, NO_INTERVAL
from bench.report.tables.table import DASH, TEXTS, Column, Table, Values, column_of, describe, frame_of
from bench.study.cell import Cell
from bench.text.display import one_line

NAME = "published"
LENGTHS = ("sequence_length", "published_sequence_length")
OWN = "defined by the study itself: it may be another than the published one"
STATED = {"sequence_length": "sequence length", "batch_size": "batch size", "precision_mode": "precision"}


def build(
    run: Run,
    tables: Sequence[Published],
    judge: F1Significance | None = None,
    *,
    source: str = "",
    others: Sequence[Cell] = (),
) -> Table | None:
    """Published beside measured; None where published tables have no row of the run.

    Args:
        run: what was measured.
        tables: what was published; they settle the columns, so that those of several runs are alike.
        judge: of the run's records; absent: one that knows no predictions.
        source: what the records are.
        others: a cell of each row of other runs that stands beside these.

    Raises:
        RunFolderError: a record is damaged.
    """
    found = both(run, tables)
    if not found:
        return None
    compared = [table for published in tables for table in published.tables if table.compare]
    known = {name for table in compared for row in table.rows for name in row.numbers}
    grids = [(title, [pair for pair in pairs if known.intersection(pair.printed)]) for title, pairs in GRIDS]
    pairs = [pair for _, some in grids for pair in some]
    if not pairs:
        return None
    records = [record for one in found for record in one.records]
    notes = Notes()
    content = _content(found, pairs, judge or F1Significance(run.records), run, notes, others)
    columns = [(title, tuple(column for pair in some for column in _columns(pair))) for title, some in grids if some]
    several = (PUBLISHED_IN,) if len(compared) > 1 else ()
    texts = [f"{pair.published}_printed" for pair in pairs] + [pair.judged for pair in pairs if pair.by != "ratio"]
    return Table(
        name=NAME,
        title=f"{one_line(run.title)}: beside published tables",
        caption=f"{conditions(records)} {_caption(found, pairs)}",
        columns=(*several, *(column for _, some in columns for column in some)),
        frame=frame_of(content, (*TEXTS, "published_in", *texts)).astype(dict.fromkeys(LENGTHS, "Int64")),
        footnotes=(*notes.footnotes(), *_sources(found)),
        marks=notes.marks(),
        grids=tuple((title, (*several, *some)) for title, some in columns) if len(columns) > 1 else (),
        source=source,
    )


def _content(
    found: Sequence[Both], pairs: Sequence[Pair], judge: F1Significance, run: Run, notes: Notes, others: Sequence[Cell]
) -> list[dict[str, Any]]:
    rows = [one.records for one in found]
    content = describe(rows, [pair.quantity for pair in pairs], notes, others)
    agreeing = published_verdicts.agreeing_lengths(found, content)
    for at, (one, standing) in enumerate(zip(found, judge.standings(rows), strict=True)):
        if pairs[0].by == "interval":
            _mark_interval(at, standing, content[at], notes)
            content[at] |= scores.interval(standing)
        _mark(at, one, run, notes)
        for pair in pairs:
            judged = published_verdicts.judge(pair, one, content[at], agreeing)
            content[at] |= judged.values
            if judged.note:
                notes.add(at, pair.judged, judged.note)
            if judged.like:
                notes.repeat(at, judged.like, pair.judged)
            if not content[at][f"{pair.published}_printed"]:
                notes.add(at, pair.published, NOT_PRINTED)
        content[at] |= {
            LENGTHS[0]: published_verdicts.length_of(one.records),
            LENGTHS[1]: one.printed.stated.sequence_length,
            "published_in": f"{one.published.title}, {one.table.title}",
            "note": notes.of_row(at),
        }
    return content


def _mark_interval(at: int, standing: Standing, numbers: Mapping[str, Any], notes: Notes) -> None:
    """Say why F1 has no interval."""
    if numbers[f"{scores.F1}_mean"] is None:
        notes.repeat(at, scores.F1, F1_INTERVAL)
    elif standing.unread:
        notes.add(at, F1_INTERVAL, scores.without_texts(standing))
    elif standing.interval is None:
        notes.add(at, F1_INTERVAL, NO_INTERVAL)


def _mark(at: int, one: Both, run: Run, notes: Notes) -> None:
    """Mark what a row was measured under that the published one was not, or may not have been."""
    cell = one.records[0].cell
    if one.base:
        notes.add(at, "model", one_line(f"beside the published rows of {one.base}, which it varies", 120))
    for part, name in (("dataset", cell.dataset.name), ("model", "" if one.base else cell.model.name)):
        if name in run.study.get(f"{part}s", {}):
            notes.add(at, part, OWN)
    here = {
        "sequence_length": published_verdicts.length_of(one.records),
        "batch_size": cell.train.batch_size,
        "precision_mode": next((record.precision for record in one.records if record.precision), None),
    }
    stated = one.printed.stated.model_dump()
    apart = [
        f"{title} {one_line(str(stated[name]), 40)} (here {here[name]})"
        for name, title in STATED.items()
        if stated[name] is not None and here[name] not in (None, stated[name])
    ]
    if apart:
        notes.add(at, "method", f"published under other conditions: {', '.join(apart)}")
    most = {"train": cell.data.max_train_samples, "evaluated": cell.data.max_evaluation_samples}
    parts = [f"at most {count} {texts} texts" for texts, count in most.items() if count is not None]
    parts += ["the validation split"] if cell.data.evaluate_split == "validation" else []
    if parts and any(record.quality for record in measured(one.records)):
        notes.add(at, scores.F1, f"measured with {' and '.join(parts)}")


def _columns(pair: Pair) -> tuple[Column, ...]:
    """A published number, the measured one, and what that says of it."""
    title, ours = TITLES[pair.printed[-1]], column_of(pair.quantity)

    def printed(row: Values) -> str:
        return row[f"{pair.published}_printed"] or DASH

    def verdict(row: Values) -> str:
        said, difference = str(row[pair.judged]), row.get(f"{pair.column}_difference")
        if said not in ("within", "differs"):
            return said or DASH
        apart = "" if pd.isna(difference) else "more than tenfold" if difference > 9 else f"{100 * difference:+.3g}%"
        return ": ".join(filter(None, (f"within {WITHIN:.0%}" if said == "within" else said, apart)))

    def ratio(row: Values) -> str:
        value = row[pair.judged]
        return DASH if pd.isna(value) else f"{value:.2f}" if 0.1 <= value < 1000 else f"{value:.3g}"

    published = Column(pair.published, f"{title}\n(published)", printed)
    if pair.by == "interval":
        return (
            published,
            *scores.columns(ours, title),
            Column(pair.judged, f"Published {title}\nin the interval", verdict),
        )
    if pair.by == "digits":
        return published, ours, Column(pair.judged, f"{title}:\nverdict", verdict)
    return published, ours, Column(pair.judged, f"{title}:\nmeasured / published", ratio)


PUBLISHED_IN = Column("published_in", "Published in", lambda row: str(row["published_in"]), prose=True)


def _caption(found: Sequence[Both], pairs: Sequence[Pair]) -> str:
    """What the columns say, and which conditions of the published numbers are not known."""
    by = {pair.by for pair in pairs}
    parts = ["Published numbers are as printed."]
    if "interval" in by:
        parts.append(
            "A published F1, taken to be a macro average, is inside where any value that rounds to it lies in the "
            f"{LEVEL:.0%} interval of the measured mean, which is that of Table 3."
        )
    if "digits" in by:
        parts.append(
            "Parameters and GFLOPs: exact where the measured number rounds to the published one, else by how much the "
            f"published number is above (+) or below it: within {WITHIN:.0%}, or differs."
        )
    stated = [one.printed.stated.model_dump() for one in found]
    unknown = [title for name, title in STATED.items() if all(row[name] is None for row in stated)]
    if unknown:
        parts.append(f"Not stated with the published numbers: {', '.join(unknown)}.")
    return " ".join(parts)


def _sources(found: Sequence[Both]) -> tuple[Footnote, ...]:
    texts = [f"{one.published.title}. {one.published.source}" if one.published.source else one.published.title
             for one in found]  # fmt: skip
    return tuple(Footnote("", f"Published: {text}") for text in dict.fromkeys(texts))
