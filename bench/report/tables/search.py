"""The search of each row: expected best validation F1 by number of trials, costs, and chosen settings."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.record.record import Record
from bench.report.analysis.expected_best import ExpectedBest
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.search_leaders import sentence
from bench.report.analysis.searches import curve_of, tuning_of
from bench.report.analysis.significance import LEVEL
from bench.report.analysis.statistics import by_row
from bench.report.tables.footnotes import Notes
from bench.report.tables.search_costs import CHOSEN, OF_SEARCH, chosen
from bench.report.tables.table import TEXTS, Table, apart_from_others, column_of, describe, frame_of, rows_of
from bench.study.cell import Cell
from bench.text.tables.table import DASH, Column, Footnote, Values

NAME = "search"
#: Numbers of trials that have a column, beside the largest of a table.
SHOWN = (1, 2, 5, 10, 20, 50, 100, 200)
FAILED = "failed_trials"
ALL_EQUAL = "no interval: one trial, or all trials scored the same"
CAPTION = (
    "Expected best: mean of the highest validation macro F1 over all choices of so many of the row's trials without "
    "replacement (Tang et al. 2020), unbiased for independent trials; a failed trial counts as 0. With all trials, it "
    f"is the F1 of the best one. In brackets: {LEVEL:.0%} interval, from a bootstrap over trials made symmetric; it "
    "holds the variation between trials alone, not that between validation texts. The trials are quasi-random: they "
    "cover the space more evenly than independent ones, so the interval is too wide rather than too narrow. The "
    "validation F1 of the best trial is too high as an estimate for new texts, because it was chosen by it; Table 3 "
    "has the F1 on the test split."
)
OF_PRUNED = "A trial that was pruned counts with the F1 at which it ended."
OF_LEADERS = (
    "Highest expected best: a method is named for a number of trials if its interval lies above those of all other "
    "methods of its dataset and model."
)


def build(title: str, records: Sequence[Record], *, source: str = "", others: Sequence[Cell] = ()) -> Table | None:
    """The rows whose options were searched; None if there are none. Arguments and errors: ``table3.build``."""
    searched = [(row, tuning) for row in rows_of(title, records) if (tuning := tuning_of(row))]
    if not searched:
        return None
    notes, quantities = Notes(), QUANTITIES.of("search")
    content = describe([row for row, _ in searched], quantities, notes, others)
    largest = max(len(tuning.trials) for _, tuning in searched)
    budgets = [*(trials for trials in SHOWN if trials < largest), largest]
    for at, (row, tuning) in enumerate(searched):
        content[at][FAILED] = sum(trial.macro_f1 is None for trial in tuning.trials)
        content[at] |= _best(at, curve_of(row), budgets, notes) | chosen(row, records) | {"note": notes.of_row(at)}
    said = [Footnote("", text) for text in sentences(records, others)]
    pruned = any(trial.pruned for _, tuning in searched for trial in tuning.trials)
    trials_column, *spent = map(column_of, quantities)
    settings = Column(CHOSEN, "Chosen settings", lambda values: str(values[CHOSEN]) or DASH, prose=True)
    best = tuple(map(_column, budgets))
    return Table(
        name=NAME, title=f"{title}: search of the options",
        caption=" ".join([CAPTION, *([OF_PRUNED] if pruned else []), *([OF_LEADERS] if said else []), OF_SEARCH]),
        columns=(trials_column, *best, *spent, settings), frame=frame_of(content, (*TEXTS, CHOSEN)),
        footnotes=(*notes.footnotes(), *said), marks=notes.marks(),
        grids=(("Expected best validation F1", (trials_column, *best)), ("Costs and choice", (*spent, settings))),
        source=source,
    )  # fmt: skip


def sentences(records: Sequence[Record], others: Sequence[Cell] = ()) -> list[str]:
    """Which method has the highest expected best F1 with how many trials, one sentence for each dataset and model.

    Args:
        records: records of one run.
        others: one cell of each row of other runs, from which names must differ.
    """
    rows, notes = [row for row in by_row(records) if tuning_of(row)], Notes()
    groups: dict[str, dict[str, list[ExpectedBest]]] = {}
    for at, (row, names) in enumerate(zip(rows, describe(rows, QUANTITIES.of("search"), notes, others), strict=True)):
        apart = apart_from_others(at, notes)
        method = f"{names['method']} ({apart})" if apart else str(names["method"])
        groups.setdefault(f"{names['dataset']}, {names['model']}", {})[method] = curve_of(row)
    return [f"{group}: {said}" for group, curves in groups.items() if (said := sentence(curves))]


def _name(trials: int) -> str:
    return f"expected_best_{trials}"


def _best(at: int, points: Sequence[ExpectedBest], budgets: Sequence[int], notes: Notes) -> dict[str, Any]:
    """The expected best of one row by number of trials, for the frame; adds reasons for unknown ones."""
    numbers: dict[str, Any] = {}
    for trials in budgets:
        name, point = _name(trials), points[trials - 1] if trials <= len(points) else None
        low, high = (point.low, point.high) if point else (None, None)
        numbers |= {name: point and point.value, f"{name}_low": low, f"{name}_high": high}
        if point is None:
            notes.add(at, name, f"trials made: {len(points)}")
        elif low is None:
            notes.add(at, name, ALL_EQUAL)
    return numbers


def _column(trials: int) -> Column:
    name = _name(trials)

    def write(row: Values) -> str:
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        if pd.isna(value):
            return DASH
        return f"{value:.4f}" if pd.isna(low) else f"{value:.4f} ({low:.4f} to {high:.4f})"

    return Column(name, f"{trials} {'trial' if trials == 1 else 'trials'}", write)
