"""Table 3 of the published study from records: quality and resources, a row for dataset x model x method."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.floors import majority_macro_f1, random_macro_f1
from bench.record import Quality, Record
from bench.report import stamp
from bench.report.bootstrap import RESAMPLES
from bench.report.conditions import conditions
from bench.report.footnotes import COLLAPSED, WRITTEN_AT_FLOOR, Footnote, Notes, likelihood
from bench.report.quantities import macro_f1, quantities_of
from bench.report.render import to_csv, to_latex, to_markdown
from bench.report.stacked import ReadRecord
from bench.report.standings import Against, Standing, standings
from bench.report.statistics import LEVEL, Quantity, mean_std, one_line
from bench.report.table import DASH, TEXTS, Column, Table, Values, column_of, describe, frame_of, rows_of
from bench.store import write_files

F1, F1_INTERVAL = "macro_f1", "macro_f1_interval"


def build(
    run_title: str,
    records: Sequence[Record],
    missing: int = 0,
    remarks: Sequence[str] = (),
    read: ReadRecord | None = None,
) -> Table:
    """Aggregate records over their seeds.

    Args:
        run_title: of the study.
        records: in the study's order; failed ones too.
        missing: number of cells that have not been run yet.
        remarks: about the whole table, e.g. the study's notes and the command.
        read: gives the predictions of a record; None where records alone are at hand.

    Raises:
        RunFolderError: there is no record, or a cell has two.
    """
    title = one_line(run_title)
    rows, notes, quantities = rows_of(title, records), Notes(), quantities_of(records)
    good = [[record for record in row if record.status == "ok"] for row in rows]
    # Repeats of a seed are not independent of it: the first speaks for them.
    once = [[record for record in row if not record.cell.repeat] for row in good]
    content, found = describe(rows, quantities, notes), standings(once, read)
    for at, (row, standing) in enumerate(zip(rows, found, strict=True)):
        marked = {name: content[at].pop(name) for name in ("synthetic", "weights")}
        content[at] |= _quality(at, good[at], standing, content, notes)
        content[at] |= marked | stamp.mark(at, row, notes)
        _warn(at, good[at], len(row), notes)
        content[at]["note"] = notes.of_row(at)
    footnotes = [*notes.footnotes(), *_floors(content, good)]
    if missing:
        footnotes.append(Footnote("", f"{missing} {'cells' if missing > 1 else 'cell'} not run yet"))
    footnotes += [Footnote("", text) for remark in remarks if (text := one_line(remark))]
    frame = frame_of(content, (*TEXTS, *stamp.TEXTS, "macro_f1_interval_over", "against_best"))
    caption = f"{conditions(records)} {_caption(frame, found, read is not None)}"
    return Table(title, caption, _columns(quantities), frame, tuple(footnotes), notes.marks())


def _columns(quantities: Sequence[Quantity]) -> tuple[Column, ...]:
    f1, *others = map(column_of, quantities)

    def with_seeds(row: Values) -> str:
        return f"{f1.write(row)} (n={row['seeds']})" if row["seeds"] else str(row["status"])

    def interval(row: Values) -> str:
        low, high = row["macro_f1_low"], row["macro_f1_high"]
        return DASH if pd.isna(low) else f"{low:.4f} to {high:.4f}"

    return (
        Column(F1, f1.header, with_seeds),
        Column(F1_INTERVAL, f"F1 {LEVEL:.0%}\ninterval", interval),
        *others,
        stamp.COLUMN,
    )


def _quality(
    at: int, good: Sequence[Record], standing: Standing, content: Sequence[Mapping[str, Any]], notes: Notes
) -> dict[str, Any]:
    """What a frame says of one row's F1 beside its mean, and marks for what readers must know of it."""
    against, floors = standing.against, _mark_floors(at, good, content[at], notes)
    if content[at][f"{F1}_mean"] is None:
        notes.repeat(at, F1, F1_INTERVAL)
    else:
        if standing.unread:
            notes.add(at, F1_INTERVAL, one_line(f"without the texts' share: {standing.unread}", 200))
        for text in dict.fromkeys(likelihood(record.prompt) for record in good if record.prompt):
            notes.add(at, F1, text)
    if against is not None and against.verdict != "lower":
        notes.add(at, F1, _said(against, content[against.best]["method"]))
    low, high = standing.interval or (None, None)
    lead_low, lead_high = (against and against.lead) or (None, None)
    return floors | {
        f"{F1}_low": low,
        f"{F1}_high": high,
        "macro_f1_interval_over": " and ".join(standing.over),
        "against_best": "best" if standing.is_best else against.verdict if against else "",
        "best_lead_low": lead_low,
        "best_lead_high": lead_high,
    }


def _said(against: Against, best: str) -> str:
    of = f"the best of its model and dataset, {best}"
    if against.lead is None:
        return one_line(f"not known whether it can be told apart from {of}: {against.reason}", 300)
    low, high = against.lead
    over = "" if "texts" in against.over else ", over seeds alone"
    verdict = "not told apart from" if against.verdict == "not told apart" else "on the seeds of both higher than"
    return f"{verdict} {of} ({LEVEL:.0%} interval of its lead {low:+.4f} to {high:+.4f}{over})"


def _mark_floors(at: int, good: Sequence[Record], numbers: Mapping[str, Any], notes: Notes) -> dict[str, float | None]:
    """Floors of one row's F1, and a mark on each F1 that is at them."""
    written = [record.generation.quality for record in good if record.generation]
    for column, qualities, text in (
        (F1, [record.quality for record in good], COLLAPSED),
        ("generated_macro_f1", written, WRITTEN_AT_FLOOR),
    ):
        f1 = numbers.get(f"{column}_mean")
        if f1 is not None and f1 - mean_std([majority_macro_f1(_counts(q)) for q in qualities if q])[0] <= 1e-9:
            notes.add(at, column, text)
    counts = [_counts(record.quality) for record in good if record.quality and macro_f1(record) is not None]
    return {
        f"{name}_macro_f1": mean_std(list(map(floor, counts)))[0] if counts else None
        for name, floor in (("majority", majority_macro_f1), ("random", random_macro_f1))
    }


def _counts(quality: Quality) -> list[int]:
    return list(quality.label_counts.values())


def _floors(content: Sequence[Mapping[str, Any]], good: Sequence[Sequence[Record]]) -> list[Footnote]:
    """What answers that never read a text would score, a line for each evaluated set of texts."""
    lines = []
    for row, records in zip(content, good, strict=True):
        for quality in (record.quality for record in records if macro_f1(record) is not None):
            if quality is not None:
                counts = _counts(quality)
                lines.append(
                    f"Floors on {row['dataset']} ({quality.split}, {sum(counts)} texts): macro F1 "
                    f"{majority_macro_f1(counts):.4f} by always answering the most frequent label, "
                    f"{random_macro_f1(counts):.4f} by answering each label equally often"
                )
    return [Footnote("", line) for line in dict.fromkeys(lines)]


def _warn(at: int, good: Sequence[Record], seeds: int, notes: Notes) -> None:
    for record in good:
        of_seed = f"seed {record.cell.seed}: " if seeds > 1 else ""
        if record.study_batch_size is not None:
            tried = f"the study's batch size of {record.study_batch_size} ran out of memory"
            notes.add(at, "method", f"{of_seed}{tried}; measured with {record.cell.train.batch_size}")
        for warning in record.warnings:
            notes.add(at, "method", one_line(f"{of_seed}{warning}", 200))


def _caption(frame: pd.DataFrame, found: Sequence[Standing], predictions: bool) -> str:
    """What the intervals and the marks are."""
    parts = []
    student = f"Student's t {LEVEL:.0%} interval over seeds"
    if any("texts" in standing.over for standing in found):
        parts.append(
            f"F1 interval: {LEVEL:.0%} percentile bootstrap over {RESAMPLES:,} resamples of the texts; with several "
            f"seeds of these too, and as wide as {student}."
        )
    elif not predictions:
        parts.append(
            f"F1 interval: {student}, which takes the texts as given, for no predictions are beside these records; "
            "not given for a single seed."
        )
    if any(standing.against for standing in found):
        alone = "" if predictions else ", judged over the seeds alone, which takes too many for different"
        parts.append(
            f"Every row is marked that cannot be told apart from the best of its model and dataset{alone}; intervals "
            "are not corrected for the number of rows."
        )
    if not frame[[f"{phase}_samples_per_second_low" for phase in ("train", "inference")]].isna().all(axis=None):
        parts.append(
            f"The csv has intervals of throughput: {student}; of a single seed by order statistics of windows."
        )
    parts.append("Stamp: suspect where a check of the measurement failed with any seed.")
    return " ".join(parts)


def write(table: Table, folder: Path) -> list[Path]:
    """Write table3.md, table3.csv and table3.tex into a folder, made where missing; return their paths."""
    contents = {"table3.md": to_markdown(table), "table3.csv": to_csv(table), "table3.tex": to_latex(table)}
    return write_files(folder, contents)
