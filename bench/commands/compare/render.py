"""A comparison on a terminal: changes, cells not measured on both sides, metrics that moved, and the verdict."""

from collections import Counter
from collections.abc import Mapping

from rich.console import Console

from bench.commands.compare import wording
from bench.commands.compare.changes import Change
from bench.commands.compare.common_move import CommonMove
from bench.commands.compare.metrics import TOGETHER
from bench.commands.compare.moves import Move
from bench.commands.compare.result import Comparison, Outcome
from bench.report.analysis.names import HEADS, labels
from bench.report.tables.footnotes import Notes
from bench.text.display import one_line, say
from bench.text.tables import terminal
from bench.text.tables.table import DAGGER, DASH, Column, Footnote, Table, Values

LONGEST_REASON, LONGEST_SUSPICIONS = 120, 300


def _field(name: str, header: str, *, prose: bool = False) -> Column:
    return Column(name, header, lambda row: str(row[name]), prose)


A, B = _field("a", "A", prose=True), _field("b", "B", prose=True)
CHANGES = (A, B, _field("cells", "Paired cells"))
OUTCOMES = (_field("seeds", "Seeds", prose=True), A, B, _field("outcome", "Outcome", prose=True))
MOVES = (
    _field("verdict", "Verdict", prose=True), _field("a", "A"), _field("b", "B"), _field("difference", "Difference"),
    _field("own", "Own"), _field("noise", "Noise"), _field("n", "n"),
)  # fmt: skip
COMMON = (
    _field("verdict", "Verdict", prose=True), _field("difference", "Difference"), _field("noise", "Noise"),
    _field("matmul", "Matmul rate"), _field("rows", "Rows"),
)  # fmt: skip


def show(comparison: Comparison, show_all: bool, console: Console) -> None:
    """Print a comparison.

    Args:
        comparison: comparison to print.
        show_all: whether metrics that did not move are also printed.
        console: output console.
    """
    terminal.unfold(console)
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        say(wording.side(name, side), console, fold=True)
    terminal.show(_changes(comparison), console)
    if comparison.outcomes:
        terminal.show(_outcomes(comparison), console)
    if comparison.common:
        terminal.show(_common(comparison), console)
    terminal.show(_moves(comparison, show_all), console)
    say(comparison.sentence(), console, "bold", fold=True)


def _changes(comparison: Comparison) -> Table:
    total = len(comparison.matching.pairs)
    rows = [_change(change, total) for change in comparison.changes]
    title = "" if rows else "The records show no changes."
    return Table(title=title, heads={"what": "What changed"}, columns=CHANGES, rows=rows)


def _change(change: Change, total: int) -> Values:
    cells = DASH if change.cells is None else "all" if change.cells == total else f"{change.cells} of {total}"
    what = one_line(f"{change.area}: {change.what}", wording.LONGEST_VALUE)
    return {"what": what, **dict(zip("ab", wording.change_values(change), strict=True)), "cells": cells}


def _outcomes(comparison: Comparison) -> Table:
    """Cells with the same outcome on one line, with their seeds."""
    cells = [record.cell for record in (*comparison.a.records, *comparison.b.records)]
    seeds: dict[tuple[str, ...], list[int]] = {}
    for one in comparison.outcomes:
        names = tuple(labels(one.record.cell, cells).values())
        seeds.setdefault((*names, one.a or DASH, one.b or DASH, _outcome(one)), []).append(one.record.cell.seed)
    fields = (*HEADS, "a", "b", "outcome")
    rows = [
        {**dict(zip(fields, key, strict=True)), "seeds": ", ".join(map(str, sorted(found)))}
        for key, found in seeds.items()
    ]
    return Table(title="Cells that were not measured on both sides", heads=HEADS, columns=OUTCOMES, rows=rows)


def _outcome(one: Outcome) -> str:
    said = one.reason if one.kind == "no partner" else f"{one.kind}; {one.reason}" if one.reason else one.kind
    return one_line(said, LONGEST_REASON)


def _common(comparison: Comparison) -> Table:
    return Table(
        title="Moves that all rows share", caption=wording.COMMON, heads={"metric": "Metric"}, columns=COMMON,
        rows=[_common_move(one) for one in comparison.common],
    )  # fmt: skip


def _common_move(one: CommonMove) -> Mapping[str, str]:
    return {
        "metric": one.metric.label, "verdict": one.verdict, "difference": wording.percent(one.difference),
        "noise": wording.interval(one.interval), "matmul": wording.percent(one.matmul), "rows": str(one.rows),
    }  # fmt: skip


def _moves(comparison: Comparison, show_all: bool) -> Table:
    moves, notes = comparison.shown(show_all), Notes()
    names = {row: " / ".join(texts) for row, texts in comparison.names().items()}
    rows = [_move(at, move, names[id(move.row)], notes) for at, move in enumerate(moves)]
    hidden = Counter(move.verdict for move in comparison.moves) - Counter(move.verdict for move in moves)
    lines = notes.footnotes()
    if hidden:
        said = ", ".join(f"{count} {verdict}" for verdict, count in hidden.most_common())
        lines.append(Footnote("", f"Not shown: {said}; --all shows them."))
    return Table(
        title="" if not rows else "Every metric" if show_all else "Metrics that moved",
        caption=wording.caption(comparison), heads={"row": "Row", "metric": "Metric"}, columns=MOVES, rows=rows,
        footnotes=tuple(lines), marks=notes.marks(),
    )  # fmt: skip


def _move(at: int, move: Move, row: str, notes: Notes) -> Mapping[str, str]:
    if move.suspect and move.metric is not TOGETHER:  # the row's metrics have the footnotes
        notes.add(at, "metric", one_line(f"suspect {'; '.join(move.suspect)}", LONGEST_SUSPICIONS), DAGGER)
    if move.noise is not None and move.metric.kind != "exact":
        notes.add(at, "noise", one_line(f"noise of {', '.join(move.noise.sources)}", LONGEST_REASON))
    a, b = wording.values(move)
    return {
        "row": row, "metric": move.metric.label, "verdict": move.verdict, "a": a, "b": b,
        "difference": wording.difference(move), "own": wording.own(move),
        "noise": wording.noise(move), "n": str(len(move.seeds)),
    }  # fmt: skip
