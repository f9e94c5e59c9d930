"""Interval, rank and baselines of a row's macro F1."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from bench.record.baselines import majority_macro_f1, random_macro_f1
from bench.record.quality import Quality
from bench.record.record import Record
from bench.report.analysis.f1_significance import RowSignificance
from bench.report.analysis.significance import LEVEL, POWER
from bench.report.analysis.stacked import ROUNDING
from bench.report.analysis.statistics import mean_std, measured
from bench.report.tables.footnotes import AT_BASELINE, WRITTEN_AT_BASELINE, Notes, likelihood
from bench.text.display import one_line
from bench.text.tables.table import DASH, Column, Footnote, Rank, Values

F1 = "macro_f1"
F1_INTERVAL = "macro_f1_interval"
INTERVAL_OVER = "macro_f1_interval_over"
NO_INTERVAL = "no interval: one seed, and no predictions beside the records"


def columns(f1: Column) -> tuple[Column, Column]:
    """The columns of the mean F1 with its number of seeds, and of its interval.

    Args:
        f1: column of the mean alone.
    """

    def with_seeds(row: Values) -> str:
        return f"{f1.write(row)} (n={row['seeds']})" if row["seeds"] else str(row["status"])

    def interval(row: Values) -> str:
        low, high = row[f"{F1}_low"], row[f"{F1}_high"]
        return DASH if pd.isna(low) else f"{low:.4f} to {high:.4f}"

    return (Column(F1, f1.header, with_seeds), Column(F1_INTERVAL, f"F1 {LEVEL:.0%}\ninterval", interval))


def of_row(
    at: int, row: Sequence[Record], significance: RowSignificance, numbers: Mapping[str, Any], notes: Notes
) -> dict[str, Any]:
    """Interval and rank of one row's F1 for the frame; marks a row that is not clearly above the baselines.

    Args:
        at: index of the row.
        row: records of the row, failed ones included.
        significance: significance of the row's F1.
        numbers: numbers of the row, with its mean F1.
        notes: footnotes of the table.
    """
    good = measured(row)
    own = interval(significance)
    _mark_baseline(at, good, {**numbers, **own}, notes)
    if numbers[f"{F1}_mean"] is not None:
        for text in dict.fromkeys(likelihood(record.prompt) for record in good if record.prompt):
            notes.add(at, F1, text)
    return own | {f"{F1}_mark": significance.rank}


def interval(significance: RowSignificance) -> dict[str, Any]:
    """The interval of a row's F1 and its sources for the frame; it replaces the interval over seeds alone."""
    low, high = significance.interval or (None, None)
    return {f"{F1}_low": low, f"{F1}_high": high, INTERVAL_OVER: " and ".join(significance.over)}


def sources(rows: Sequence[RowSignificance]) -> str:
    """The sentence of a caption on the sources of variation that the intervals of F1 hold; empty without intervals."""
    kinds = dict.fromkeys(row.over for row in rows if row.interval)
    if not kinds:
        return ""
    said = [_source(over) for over in sorted(kinds, key=len, reverse=True)]
    return f"F1 interval: {LEVEL:.0%} t interval of the mean, from the variance {'; or '.join(said)}."


def _source(over: Sequence[str]) -> str:
    found = f"between {' and '.join(name for name in over if name != 'splits')}"
    if "splits" in over:
        return f"{found}, each seed with its own split into train and validation"
    if "seeds" not in over:
        return f"{found} alone for a row with one seed: the variation between seeds is not in it"
    alone = "" if "texts" in over else " alone, for fixed texts, where predictions are missing"
    return f"{found}{alone}, with one split into train and validation"


def detectable(difference: float | None) -> str:
    """The end of a sentence on a difference that is not significant; empty if nothing varies.

    Args:
        difference: detectable difference, see ``significance.decide``.
    """
    if difference is None:
        return ""
    if difference > 1:
        return "; so few seeds would not have shown any difference"
    return f"; a difference of {difference:.3f} would have been seen ({POWER:.0%} power)"


def without_texts(significance: RowSignificance) -> str:
    """Why an interval of F1 covers seeds only, or is missing."""
    return one_line(f"without the variation between texts: {significance.unread}", 200)


def _mark_baseline(at: int, good: Sequence[Record], numbers: Mapping[str, Any], notes: Notes) -> None:
    written = [record.generation.quality for record in good if record.generation]
    for column, qualities, text in (
        (F1, [record.quality for record in good], AT_BASELINE),
        ("generated_macro_f1", written, WRITTEN_AT_BASELINE),
    ):
        if numbers.get(f"{column}_mean") is not None and at_baseline(qualities, numbers.get(f"{column}_low")):
            notes.add(at, column, text)


def at_baseline(qualities: Iterable[Quality | None], low: float | None) -> bool:
    """Whether the macro F1 of a row is not clearly above the higher baseline; False without qualities.

    Args:
        qualities: qualities of the row's seeds.
        low: lower end of the interval of their mean macro F1; None: the mean itself is compared.
    """
    known = [quality for quality in qualities if quality]
    if not known:
        return False
    higher = fmean(max(majority_macro_f1(_counts(one)), random_macro_f1(_counts(one))) for one in known)
    return (fmean(one.macro_f1 for one in known) if low is None else low) <= higher + ROUNDING


def ranks(rows: Sequence[RowSignificance]) -> dict[tuple[int, str], Rank]:
    """The ranks of F1 by row and column."""
    return {(at, F1): row.rank for at, row in enumerate(rows) if row.rank}


def baselines(row: Sequence[Record]) -> dict[str, float | None]:
    """Macro F1 of the majority and uniform-random baselines, for the frame."""
    counts = [_counts(record.quality) for record in measured(row) if record.quality]
    return {
        f"{name}_macro_f1": mean_std(list(map(score, counts)))[0] if counts else None
        for name, score in (("majority", majority_macro_f1), ("random", random_macro_f1))
    }


def baseline_lines(content: Sequence[Mapping[str, Any]], rows: Sequence[Sequence[Record]]) -> list[Footnote]:
    """Footnotes with the baselines of each evaluated set of texts.

    Args:
        content: numbers of the rows.
        rows: records of the rows.
    """
    lines = []
    for numbers, row in zip(content, rows, strict=True):
        for quality in (record.quality for record in measured(row) if record.quality):
            counts = _counts(quality)
            lines.append(
                f"Baselines on {numbers['dataset']} ({quality.split}, {sum(counts)} texts): macro F1 "
                f"{majority_macro_f1(counts):.4f} (majority class), {random_macro_f1(counts):.4f} (uniform random)"
            )
    return [Footnote("", line) for line in dict.fromkeys(lines)]


def _counts(quality: Quality) -> list[int]:
    return list(quality.label_counts.values())
