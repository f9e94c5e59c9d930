"""What a table says of the macro F1 of a row beside its mean: interval, rank, floors and how it came about."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.floors import majority_macro_f1, random_macro_f1
from bench.record import Quality, Record
from bench.report.analysis.quantities import macro_f1
from bench.report.analysis.ranks import Rank
from bench.report.analysis.standings import Standing
from bench.report.analysis.statistics import mean_std, measured
from bench.report.tables.footnotes import COLLAPSED, WRITTEN_AT_FLOOR, Footnote, Notes, likelihood

F1 = "macro_f1"


def of_row(
    at: int, row: Sequence[Record], standing: Standing, numbers: Mapping[str, Any], notes: Notes
) -> dict[str, Any]:
    """What a frame says of one row's F1, its interval in place of Student's; marks it where it is at its floor.

    Args:
        at: the row.
        row: its records; failed ones too.
        standing: its own.
        numbers: of the row so far, its mean F1 among them.
        notes: to add to.
    """
    good = measured(row)
    _mark_floors(at, good, numbers, notes)
    if numbers[f"{F1}_mean"] is not None:
        for text in dict.fromkeys(likelihood(record.prompt) for record in good if record.prompt):
            notes.add(at, F1, text)
    low, high = standing.interval or (None, None)
    seeds = len({record.cell.seed for record in good})
    return {f"{F1}_low": low, f"{F1}_high": high, f"{F1}_seeds": seeds, f"{F1}_mark": standing.rank}


def _mark_floors(at: int, good: Sequence[Record], numbers: Mapping[str, Any], notes: Notes) -> None:
    written = [record.generation.quality for record in good if record.generation]
    for column, qualities, text in (
        (F1, [record.quality for record in good], COLLAPSED),
        ("generated_macro_f1", written, WRITTEN_AT_FLOOR),
    ):
        f1 = numbers.get(f"{column}_mean")
        if f1 is not None and f1 - mean_std([majority_macro_f1(_counts(q)) for q in qualities if q])[0] <= 1e-9:
            notes.add(at, column, text)


def ranks(standings: Sequence[Standing]) -> dict[tuple[int, str], Rank]:
    """The ranks of F1, as a table holds them."""
    return {(at, F1): standing.rank for at, standing in enumerate(standings) if standing.rank}


def floors(row: Sequence[Record]) -> dict[str, float | None]:
    """Macro F1 of answers that never read a text, for a frame."""
    counts = [_counts(record.quality) for record in measured(row) if record.quality and macro_f1(record) is not None]
    return {
        f"{name}_macro_f1": mean_std(list(map(floor, counts)))[0] if counts else None
        for name, floor in (("majority", majority_macro_f1), ("random", random_macro_f1))
    }


def floor_lines(content: Sequence[Mapping[str, Any]], rows: Sequence[Sequence[Record]]) -> list[Footnote]:
    """What answers that never read a text would score, a line for each evaluated set of texts.

    Args:
        content: of the rows.
        rows: their records.
    """
    lines = []
    for numbers, row in zip(content, rows, strict=True):
        for quality in (record.quality for record in measured(row) if macro_f1(record) is not None):
            if quality is not None:
                counts = _counts(quality)
                lines.append(
                    f"Floors on {numbers['dataset']} ({quality.split}, {sum(counts)} texts): macro F1 "
                    f"{majority_macro_f1(counts):.4f} by always answering the most frequent label, "
                    f"{random_macro_f1(counts):.4f} by answering each label equally often"
                )
    return [Footnote("", line) for line in dict.fromkeys(lines)]


def _counts(quality: Quality) -> list[int]:
    return list(quality.label_counts.values())
