"""An explanation on a terminal and as a page; texts, names and plugin output are escaped in both."""

from operator import itemgetter
from pathlib import Path

from rich.columns import Columns
from rich.console import Console

from bench.commands.explain.explanation import Explanation
from bench.report.charts.look import LIGHT
from bench.study.cell import Cell
from bench.text.display import for_terminal, say, visible
from bench.text.html_page import page_template
from bench.text.tables import terminal
from bench.text.tables.table import Column, Table

#: Categories beyond the palette repeat its colours with another style of underline.
LINES = ("solid", "dashed", "dotted", "double")
INK = "#1b1b1b"
#: Fraction of the colour in a tint, for weights of 0 and 1; text stays legible on both.
WEAKEST, STRONGEST = 0.12, 0.6
TEMPLATE = "explanation.html.jinja"
ANSWERS_SHOWN = 10


def tint(category: int, weight: float) -> str:
    """The background of a step, as #rrggbb: the category's colour, paler for lower weights."""
    share = WEAKEST + (STRONGEST - WEAKEST) * weight
    colour = LIGHT[category % len(LIGHT)]
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (part - 255) * share):02x}" for part in parts)


def show(explanation: Explanation, console: Console) -> None:
    """Print the prediction, the legend, and a table of tokens by places, split if the console is too narrow."""
    trace = explanation.trace
    say(trace.title, console, "bold", fold=True)
    say(_subject(explanation.cell), console, "dim", fold=True)
    for label, probability in explanation.answer[:ANSWERS_SHOWN]:
        say(label, console, lead=f"  {probability:.4f}  ", fold=True)
    if left := explanation.answer[ANSWERS_SHOWN:]:
        lead = f"  {sum(probability for _, probability in left):.4f}  "
        say(f"{len(left)} more classes", console, "dim", lead=lead, fold=True)
    console.print()
    say(trace.legend, console, fold=True)
    chips = [for_terminal(name, console) for name in trace.categories]
    for number, chip in enumerate(chips):
        chip.stylize(_style(number, 1.0))
    console.print(Columns(chips, padding=(0, 2)))
    terminal.show_parts(_table(explanation), console)
    for note in explanation.notes:
        say(note, console, "dim", fold=True)


def _subject(cell: Cell) -> str:
    return f"{cell.dataset.label} / {cell.model.label} / {cell.method.label}, seed {cell.seed} ({cell.id})"


def _style(category: int, weight: float) -> str:
    return f"{INK} on {tint(category, weight)}"


def _table(explanation: Explanation) -> Table:
    """One row per token, one column per place, with steps in the colours of their categories."""
    trace = explanation.trace
    rows = [
        {"token": visible(token.label), **{str(at): visible(step.text) for at, step in enumerate(steps)}}
        for token, steps in zip(explanation.tokens, trace.steps, strict=True)
    ]
    columns = [
        Column(str(at), visible(place), itemgetter(str(at)), prose=True) for at, place in enumerate(trace.places)
    ]
    styles = {
        (row, str(at)): _style(step.category, step.weight)
        for row, steps in enumerate(trace.steps)
        for at, step in enumerate(steps)
    }
    return Table(title=trace.title, heads={"token": "token"}, columns=tuple(columns), rows=rows, styles=styles)


def to_html(explanation: Explanation) -> str:
    """The explanation as one self-contained HTML page without scripts."""
    return page_template(Path(__file__).parent / TEMPLATE).render(
        subject=_subject(explanation.cell), answer=explanation.answer, tokens=explanation.tokens,
        trace=explanation.trace, notes=explanation.notes, tint=tint, line=_line,
    )  # fmt: skip


def _line(category: int) -> str:
    """The CSS style of a category's underline."""
    return f"{LINES[category // len(LIGHT) % len(LINES)]} {LIGHT[category % len(LIGHT)]}"
