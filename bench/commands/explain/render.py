"""An explanation in a terminal and as a page; texts, names and what plugins say are escaped in both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich import box
from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from bench.commands.explain.explanation import Explanation
from bench.method.insight import Step
from bench.report.charts.palette import LIGHT
from bench.study.cell import Cell
from bench.text.display import for_terminal, visible

#: Categories beyond the palette have its colours again, with another line under them.
LINES = ("solid", "dashed", "dotted", "double")
INK = "#1b1b1b"
#: Share of the colour in a tint, for a weight of 0 and of 1; ink stays legible on both.
WEAKEST, STRONGEST = 0.12, 0.6
TEMPLATE = "explanation.html.jinja"
ANSWERS_SHOWN = 10
WIDEST_TOKEN = 24
#: Columns of the terminal between two columns of a table.
GAP = 3


def tint(category: int, weight: float) -> str:
    """The background of a step, as #rrggbb: the category's colour, the paler the less the weight."""
    share = WEAKEST + (STRONGEST - WEAKEST) * weight
    colour = LIGHT[category % len(LIGHT)]
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (part - 255) * share):02x}" for part in parts)


def show(explanation: Explanation, console: Console) -> None:
    """Print the answer, the legend, and a table of tokens by places, in parts where the console is too narrow."""
    trace = explanation.trace
    console.print(for_terminal(trace.title, console), style="bold")
    console.print(for_terminal(_subject(explanation.cell), console), style="dim")
    for label, probability in explanation.answer[:ANSWERS_SHOWN]:
        console.print(Text(f"  {probability:.4f}  ") + for_terminal(label, console), overflow="fold")
    if left := explanation.answer[ANSWERS_SHOWN:]:
        console.print(f"  {sum(probability for _, probability in left):.4f}  {len(left)} more classes", style="dim")
    console.print()
    console.print(for_terminal(trace.legend, console), overflow="fold")
    chips = [_coloured(name, number, 1.0, console) for number, name in enumerate(trace.categories)]
    console.print(Columns(chips, padding=(0, 2)))
    for table in _tables(explanation, console):
        console.print()
        console.print(table)
    console.print()
    for note in explanation.notes:
        console.print(for_terminal(note, console), style="dim", overflow="fold")


def _subject(cell: Cell) -> str:
    return f"{cell.dataset.label} / {cell.model.label} / {cell.method.label}, seed {cell.seed} ({cell.id})"


def _coloured(text: str, category: int, weight: float, console: Console) -> Text:
    shown = for_terminal(text, console)
    shown.stylize(Style(color=INK, bgcolor=tint(category, weight)))
    return shown


def _tables(explanation: Explanation, console: Console) -> list[Table]:
    """The places side by side as far as the console is wide, then the rest below, the tokens beside each part."""
    trace = explanation.trace
    tokens = [for_terminal(token.label, console) for token in explanation.tokens]
    heads = [for_terminal(place, console) for place in trace.places]
    columns = [[_step(row[place], console) for row in trace.steps] for place in range(len(heads))]
    first = min(WIDEST_TOKEN, max(cell_len(text.plain) for text in [Text("token"), *tokens]))
    widths = [
        max(cell_len(text.plain) for text in [head, *column]) for head, column in zip(heads, columns, strict=True)
    ]
    tables = []
    for part in _parts(widths, console.width - first):
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
        table.add_column("token", overflow="fold", max_width=first)
        for place in part:
            table.add_column(heads[place], overflow="fold")
        for number, token in enumerate(tokens):
            table.add_row(token, *(columns[place][number] for place in part))
        tables.append(table)
    return tables


def _step(step: Step, console: Console) -> Text:
    return _coloured(step.text, step.category, step.weight, console)


def _parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """Numbers of the columns of each part; a column that is wider than the room is a part of its own."""
    parts: list[list[int]] = []
    left = 0
    for number, width in enumerate(widths):
        if not parts or width + GAP > left:
            parts.append([])
            left = room
        parts[-1].append(number)
        left -= width + GAP
    return parts


def to_html(explanation: Explanation) -> str:
    """One page that needs nothing else: no script, no network; dark on light, and the same on paper."""

    def shown(value: Any) -> Any:
        return visible(value) if isinstance(value, str) else value

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=shown,
    )  # fmt: skip
    environment.globals |= {"tint": tint, "line": _line}
    return environment.get_template(TEMPLATE).render(
        subject=_subject(explanation.cell),
        answer=explanation.answer,
        tokens=explanation.tokens,
        trace=explanation.trace,
        notes=explanation.notes,
    )


def _line(category: int) -> str:
    """The style of the line under a category's tokens."""
    return f"{LINES[category // len(LIGHT) % len(LINES)]} {LIGHT[category % len(LIGHT)]}"
