"""Paired comparisons of methods: difference in F1 on the same texts, and ratios of cost."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.report.analysis.compared import Compared, compare, decisions, ratios
from bench.report.analysis.f1_significance import sources
from bench.report.analysis.names import NOT_A_SETTING, apart, flat, labels
from bench.report.analysis.pairing import Pairing, find
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.quantities.readers import is_synthetic
from bench.report.analysis.significance import LEVEL, ONE_SEED, POWER, Decision
from bench.report.analysis.statistics import first_of_each_seed
from bench.report.results.measured import Measured, by_row
from bench.report.tables.footnotes import AT_BASELINE, Notes, likelihood, mark_sources
from bench.report.tables.scores import at_baseline
from bench.report.tables.table import Table, frame_of
from bench.study.cell import Cell
from bench.text.display import one_line
from bench.text.tables.table import DASH, Column, Values

NAME = "comparisons"
HEADS = {"dataset": "Dataset", "model": "Model", "first": "First", "second": "Second"}
TEXTS = (*HEADS, "interval_over", "verdict", "note")
NOT_AVAILABLE = "not available"
#: Verdict in the table, by verdict on the first method.
VERDICTS = {"higher": "first higher", "lower": "second higher"}
SEVERAL_SEEDS = "the test needs a single seed"


def _column(name: str, header: str, known: str, write: Callable[[Values], str]) -> Column:
    """A column that shows a dash if the frame's column ``known`` is empty."""
    return Column(name, header, lambda row: DASH if pd.isna(row[known]) else write(row))


def _interval(name: str, header: str) -> Column:
    low, high = f"{name}_low", f"{name}_high"
    return _column(name, header, low, lambda row: f"{row[low]:+.4f} to {row[high]:+.4f}")


def _ratio(quantity: Quantity) -> Column:
    name = quantity.column

    def write(row: Values) -> str:
        middle, *ends = (_three_digits(row[f"{name}_ratio_{part}"]) for part in PARTS)
        alone = row[f"{name}_ratio_lowest"] == row[f"{name}_ratio_highest"]
        return middle if alone else f"{middle} ({' to '.join(ends)})"

    return _column(name, f"{quantity.label.partition(' (')[0]}\nratio", f"{name}_ratio_median", write)


def _three_digits(value: float) -> str:
    places = 2 if value <= 0 else max(0, 2 - math.floor(math.log10(value)))
    return f"{value:.{places}f}"


def _p_value(row: Values) -> str:
    value = row["mcnemar_p_value"]
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"


def _detectable(row: Values) -> str:
    return "above 1" if row[DETECTABLE] > 1 else f"{row[DETECTABLE]:.4f}"


def _outperforming(row: Values) -> str:
    low, high = row[f"{WINS}_low"], row[f"{WINS}_high"]
    return f"{row[WINS]:.2f}" if pd.isna(low) else f"{row[WINS]:.2f} ({low:.2f} to {high:.2f})"


FOUND, DETECTABLE, WINS = "macro_f1_difference", "detectable_difference", "probability_first_higher"
PARTS = ("median", "lowest", "highest")
QUALITY = (
    _column("difference", "F1 difference\n(macro)", FOUND, lambda row: f"{row[FOUND]:+.4f}"),
    _interval("interval", f"{LEVEL:.0%} interval"),
    _column("outperforming", "P(first > second)\none run each", WINS, _outperforming),
    _column("detectable", f"Detectable\n({POWER:.0%} power)", DETECTABLE, _detectable),
    _column("texts", "Texts", FOUND, lambda row: str(row["texts"])),
    Column("seeds", "Seeds", lambda row: str(row["seeds"])),
    Column("verdict", "Verdict", lambda row: str(row["verdict"])),
    _column(
        "right", "Texts that only the\nfirst / second got right", FOUND,
        lambda row: " / ".join(f"{row[f'only_{one}_right_texts_mean']:.1f}" for one in ("first", "second")),
    ),
    _column("p_value", "McNemar p", "mcnemar_p_value", _p_value),
)  # fmt: skip
CAPTION = (
    "Macro F1 of the first method minus that of the second, on the same texts with the same seeds: mean over seeds. "
    f"{LEVEL:.0%} interval: t interval of that difference alone, from the variance between texts and, for several "
    "seeds, between seeds; a single seed has no verdict, because the variation between seeds is not in its interval. "
    f"First or second higher: at the level of {1 - LEVEL:.0%}, corrected by Holm's method for the comparisons of one "
    "dataset and model. "
    f"Detectable: difference that would have been seen with {POWER:.0%} power."
)
CAPTION_OF_FILES = (
    "P(first > second): probability that one run of the first method scores a higher macro F1 on these texts than one "
    "of the second with the same seed (Bouthillier et al. 2021), if the differences between seeds are normal; in "
    f"brackets its {LEVEL:.0%} interval. "
    "Texts that only one got right: mean over seeds. McNemar p: exact, two-sided, of equal accuracy; given for a "
    "single seed. Ratios: first divided by second, median over seeds (lowest to highest)."
)
#: Columns that a terminal shows.
BRIEF = ("difference", "interval", "detectable", "seeds", "verdict")


def build(
    study: Mapping[str, Any], measured: Sequence[Measured], *, source: str = "", others: Sequence[Cell] = ()
) -> Table | None:
    """The comparisons that a study asks for; None if it asks for none.

    Args:
        study: settings of the study, as a run folder keeps them.
        measured: cells of the study, failed ones included.
        source: digests of the archive.
        others: one cell of each row of other runs.
    """
    pairings = find(study, _one_per_seed(measured))
    if not pairings:
        return None
    cells, costs = [*(record.cell for record, _ in measured), *others], tuple(map(_ratio, ratios().values()))
    notes, rows = Notes(), []
    found = list(map(compare, pairings))
    decided = decisions(found, [pairing.cell and (pairing.cell.dataset.name, pairing.cell.model.name)
                                for pairing in pairings])  # fmt: skip
    for at, (pairing, compared, decision) in enumerate(zip(pairings, found, decided, strict=True)):
        _note(notes, at, pairings, compared, decision)
        rows.append(_names(pairing, cells) | _numbers(compared, decision) | {
            "interval_over": _over(pairing, compared), "note": notes.of_row(at),
        })  # fmt: skip
    return Table(
        name=NAME, title=f"{study['title'].strip() or study['name']}: paired comparisons",
        caption=f"{CAPTION} {CAPTION_OF_FILES}", heads=HEADS, columns=(*QUALITY, *costs), frame=frame_of(rows, TEXTS),
        footnotes=tuple(notes.footnotes()), marks=notes.marks(),
        grids=(("Difference in quality", QUALITY), ("Ratios of cost", costs)), source=source,
    )  # fmt: skip


def _one_per_seed(cells: Sequence[Measured]) -> list[Measured]:
    """One cell for each seed of a row: the first successful one, else the first."""
    rows = by_row(cells)
    good = ([cell for cell in row if cell.record.status == "ok"] for row in rows)
    return [cell for some, row in zip(good, rows, strict=True) for cell in first_of_each_seed([*some, *row])]


def brief(table: Table) -> Table:
    """The table without costs, and with the footnotes of the remaining columns."""
    columns = tuple(column for column in table.columns if column.name in BRIEF)
    names = [*table.heads, *BRIEF]
    marks = {mark for (_, name), marks in table.marks.items() if name in names for mark in marks}
    footnotes = tuple(note for note in table.footnotes if not note.mark or note.mark in marks)
    return replace(table, columns=columns, grids=(), footnotes=footnotes, caption=CAPTION)


def _names(pairing: Pairing, cells: Sequence[Cell]) -> dict[str, str]:
    cell = pairing.cell
    shown = {"dataset": DASH, "model": DASH, "method": ""} if cell is None else labels(cell, cells)
    names = {"dataset": shown["dataset"], "model": shown["model"]}
    for place, name, row in zip(("first", "second"), pairing.names, (pairing.first, pairing.second), strict=True):
        # A method without a cell in this pairing may have one in another, which gives its label.
        known = [record.cell for record, _ in row] or [one for one in cells if one.method.name == name]
        names[place] = labels(known[0], cells)["method"] if known else name
    return names


def _numbers(compared: Compared, decision: Decision) -> dict[str, Any]:
    found = compared.difference
    wins = found and found.outperforming
    numbers: dict[str, Any] = {
        "seeds": len(compared.seeds), "texts": found and found.texts, "macro_f1_difference": found and found.mean,
        "interval_low": found and found.low, "interval_high": found and found.high,
        WINS: wins and wins.probability, f"{WINS}_low": wins and wins.low, f"{WINS}_high": wins and wins.high,
        "adjusted_p_value": decision.p_value, DETECTABLE: decision.detectable,
        "lowest_seed_difference": found and min(found.by_seed), "highest_seed_difference": found and max(found.by_seed),
        "verdict": VERDICTS.get(decision.direction, decision.direction) if found else NOT_AVAILABLE,
        "only_first_right_texts_mean": found and found.only_first_right,
        "only_second_right_texts_mean": found and found.only_second_right, "mcnemar_p_value": found and found.p_value,
    }  # fmt: skip
    for column in ratios():
        ratio = compared.ratios.get(column)
        for part in PARTS:
            numbers[f"{column}_ratio_{part}"] = getattr(ratio, part) if ratio else None
    return numbers


def _over(pairing: Pairing, compared: Compared) -> str:
    """The sources of variation that the interval of a difference holds; empty without one."""
    records = [record for record, _ in (*pairing.first, *pairing.second)]
    return " and ".join(sources(compared.difference.estimate, records)) if compared.difference else ""


def _note(notes: Notes, at: int, pairings: Sequence[Pairing], compared: Compared, decision: Decision) -> None:
    """Add the footnotes of one row."""
    pairing = pairings[at]
    records = [record for record, _ in (*pairing.first, *pairing.second)]
    if records:
        mark_sources(notes, at, records[0].cell, any(map(is_synthetic, records)))
    if own := apart(at, [_key(one) for one in pairings], [_facts(one) for one in pairings]):
        notes.add(at, "second", f"differs from the row of the same names in: {own}")
    if pairing.first and pairing.second and (unlike := _own_settings(pairing)):
        notes.add(at, "second", f"the methods' own train settings differ: {unlike}")
    for place, (side, row) in enumerate((("first", pairing.first), ("second", pairing.second))):
        qualities = [record.quality for record, _ in row if record.cell.seed in compared.seeds]
        if compared.difference and at_baseline(qualities, compared.difference.sides[place].interval[0]):
            notes.add(at, side, AT_BASELINE)
    for column, reason in compared.reasons.items():
        notes.add(at, column, one_line(reason, 200))
    if compared.difference is None:
        for column in ("interval", "outperforming", "detectable", "texts", "right", "p_value"):
            notes.repeat(at, "difference", column)
    if compared.seeds and compared.left_out:
        notes.add(at, "seeds", one_line(f"left out: {'; '.join(compared.left_out)}", 200))
    if compared.difference:
        if decision.reason:
            notes.add(at, "verdict", decision.reason)
            notes.repeat(at, "verdict", "detectable")
        if compared.difference.outperforming is None:
            notes.add(at, "outperforming", ONE_SEED)
        if compared.difference.p_value is None:
            notes.add(at, "p_value", SEVERAL_SEEDS)
        for text in dict.fromkeys(likelihood(record.prompt) for record in records if record.prompt):
            notes.add(at, "difference", text)


def _key(pairing: Pairing) -> tuple[object, ...]:
    cell = pairing.cell
    return (*pairing.names, cell and cell.dataset.name, cell and cell.model.name)


def _facts(pairing: Pairing) -> dict[str, Any]:
    """Settings that may distinguish a pairing from others of the same names."""
    facts: dict[str, Any] = {}
    for name, row in zip(pairing.names, (pairing.first, pairing.second), strict=True):
        if row:
            facts |= flat(row[0][0].cell.model_dump(exclude=NOT_A_SETTING | {"method": True}))
            facts |= flat(row[0][0].cell.method.options, f"{name}.")
    return facts


def _own_settings(pairing: Pairing) -> str:
    first, second = (row[0][0].cell.train.model_dump() for row in (pairing.first, pairing.second))
    apart = [f"{key} = {value} and {second[key]}" for key, value in first.items() if second[key] != value]
    return one_line(", ".join(apart), 160)
