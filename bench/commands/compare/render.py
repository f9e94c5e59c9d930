"""A comparison in a terminal: what changed, what became of cells, which metrics moved, and the verdict."""

from collections import Counter

from rich.console import Console

from bench.commands.compare import wording
from bench.commands.compare.changes import Change
from bench.commands.compare.result import Comparison, Outcome
from bench.commands.compare.verdicts import Move
from bench.report.analysis.names import labels
from bench.report.tables import terminal
from bench.report.tables.footnotes import DAGGER, Notes
from bench.report.tables.table import DASH
from bench.text.display import one_line

#: A file or a pipe has no width; it need not be folded.
UNFOLDED = 10_000
LONGEST_REASON = 120
CHANGES = ("What changed", "A", "B", "Paired cells")
OUTCOMES = ("Dataset", "Model", "Method", "Seeds", "A", "B", "What became of it")
MOVES = ("Row", "Metric", "Verdict", "A", "B", "Difference", "Noise", "n")


def show(comparison: Comparison, every: bool, console: Console) -> None:
    """Print a comparison.

    Args:
        comparison: what was found.
        every: also metrics that did not move.
        console: where to.
    """
    if not console.is_terminal:
        console.width = UNFOLDED
    terminal.show_notes([wording.side("A", comparison.a), wording.side("B", comparison.b)], "", console)
    _show_changes(comparison, console)
    if comparison.outcomes:
        _show_outcomes(comparison, console)
    _show_moves(comparison, every, console)
    terminal.show_title(one_line(comparison.sentence()), console)


def _show_changes(comparison: Comparison, console: Console) -> None:
    if not comparison.changes:
        return terminal.show_notes(["Nothing changed that the records tell of."], "", console)
    total = len(comparison.matching.pairs)
    rows = [_plain(*_change(change, total)) for change in comparison.changes]
    return terminal.show_rows(CHANGES, rows, [[1, 1, 1]] * len(rows), console)


def _change(change: Change, total: int) -> tuple[str, ...]:
    cells = DASH if change.cells is None else "all" if change.cells == total else f"{change.cells} of {total}"
    what = one_line(f"{change.area}: {change.what}", wording.LONGEST_VALUE)
    return (what, *wording.change_values(change), cells)


def _show_outcomes(comparison: Comparison, console: Console) -> None:
    """Cells of one fate on one line, their seeds listed."""
    cells = [record.cell for record in (*comparison.a.records, *comparison.b.records)]
    seeds: dict[tuple[str, ...], list[int]] = {}
    for one in comparison.outcomes:
        names = tuple(labels(one.record.cell, cells).values())
        seeds.setdefault((*names, one.a or DASH, one.b or DASH, _fate(one)), []).append(one.record.cell.seed)
    rows = [_plain(*key[:3], ", ".join(map(str, sorted(found))), *key[3:]) for key, found in seeds.items()]
    terminal.show_title("Cells that were not measured on both sides", console)
    terminal.show_rows(OUTCOMES, rows, [[1, 1, 1]] * len(rows), console)


def _fate(one: Outcome) -> str:
    said = one.reason if one.fate == "no partner" else f"{one.fate}; {one.reason}" if one.reason else one.fate
    return one_line(said, LONGEST_REASON)


def _show_moves(comparison: Comparison, every: bool, console: Console) -> None:
    moves, notes = comparison.shown(every), Notes()
    names = {row: " / ".join(texts) for row, texts in comparison.names().items()}
    rows = [_move(at, move, names[id(move.row)], notes) for at, move in enumerate(moves)]
    if rows:
        terminal.show_title("Every metric" if every else "Metrics that moved", console)
        begins = [[at == 0 or move.row is not moves[at - 1].row, 1, 1] for at, move in enumerate(moves)]
        terminal.show_rows(MOVES, rows, begins, console)
    hidden = Counter(move.verdict for move in comparison.moves) - Counter(move.verdict for move in moves)
    lines = [f"{note.mark} {note.text}" for note in notes.footnotes()]
    if hidden:
        said = ", ".join(f"{count} {verdict}" for verdict, count in hidden.most_common())
        lines.append(f"Not shown: {said}; --all shows them.")
    terminal.show_notes(lines, wording.caption(comparison), console)


def _move(at: int, move: Move, row: str, notes: Notes) -> terminal.Shown:
    for text in move.suspect:
        notes.add(at, "metric", one_line(f"suspect {text}", LONGEST_REASON), DAGGER)
    if move.noise is not None and move.metric.kind != "exact":
        notes.add(at, "noise", one_line(f"noise of {', '.join(move.noise.sources)}", LONGEST_REASON))
    marks = notes.marks()
    return [
        (row, ()), (move.metric.label, marks.get((at, "metric"), ())), (move.verdict, ()),
        *((text, ()) for text in (*wording.values(move), wording.difference(move))),
        (wording.noise(move), marks.get((at, "noise"), ())), (str(len(move.seeds)), ()),
    ]  # fmt: skip


def _plain(*texts: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(text, ()) for text in texts]
