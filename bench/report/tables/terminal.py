"""Tables in a terminal: one grid where it fits, else one block a row; numbers are never cut."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from bench.report.analysis.names import NAMES
from bench.report.analysis.significance import Rank
from bench.report.tables.table import Table
from bench.text.display import one_line

NARROWEST_NAME = 10
STYLES: dict[Rank, str] = {"best": "bold", "second": "underline", "": ""}
ASCII = str.maketrans({"†": "+", "‡": "++", "§": "#", "±": "+/-", "–": "-", "−": "-", "×": "x", "…": "..."})

Shown = Sequence[tuple[str, tuple[str, ...]]]
"""A row: text and marks of each cell, names first."""


def show(table: Table, console: Console) -> None:
    """Print a table, its footnotes and its caption at the console's width."""
    show_title(table.title, console)
    show_rows(table.headers, table.shown(), table.runs(), console, table.ranked(), len(table.heads))
    notes = [f"{note.mark} {note.text}".strip() for note in table.footnotes]
    source = [f"Source: {one_line(table.source)}"] if table.source else []
    show_notes([*notes, *source], table.caption, console)


def show_title(title: str, console: Console) -> None:
    """Print what stands above a table."""
    console.print(Text(printable(title, console), style="bold"))


def show_rows(
    headers: Sequence[str],
    rows: Sequence[Shown],
    begins: Sequence[Sequence[int]],
    console: Console,
    ranks: Sequence[Sequence[Rank]] = (),
    names: int = len(NAMES),
) -> None:
    """Print a table.

    Args:
        headers: above the columns, in up to two lines.
        rows: what to print.
        begins: by row and column, from the left: 0 where the grid leaves a name out that the row above has.
        console: where to.
        ranks: by row and column; none: no row has any.
        names: number of the first columns that hold names, which are folded where space is short.
    """
    texts = [[_text(text, marks, console) for text, marks in row] for row in rows]
    for row, of_row in zip(texts, ranks, strict=bool(ranks)):
        for text, rank in zip(row, of_row, strict=True):
            text.stylize(STYLES[rank])
    if _width(headers, texts, names) <= console.width:
        console.print(_grid(headers, texts, begins, names))
    else:
        print_blocks(headers, texts, console, names)


def show_notes(footnotes: Iterable[str], caption: str, console: Console) -> None:
    """Print what stands below a table."""
    for note in footnotes:
        console.print(_text(note, (), console), overflow="fold")
    console.print(_text(caption, (), console), style="dim", overflow="fold")


def _width(headers: Sequence[str], texts: Sequence[Sequence[Text]], names: int) -> int:
    """Columns of the terminal that the grid needs, its names folded as far as is readable."""
    widths = []
    for index, header in enumerate(headers):
        cells = [*header.split("\n"), *(row[index].plain for row in texts)]
        widest = max(map(cell_len, cells))
        widths.append(min(widest, NARROWEST_NAME) if index < names else widest)
    # A blank on both sides of each column and a divider between two, itself a blank; at the edges one blank each.
    return sum(widths) + 3 * (len(widths) - 1) + 2


def _grid(headers: Sequence[str], texts: Sequence[Sequence[Text]], begins: Sequence[Sequence[int]], names: int) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for index, header in enumerate(headers):
        name = index < names
        grid.add_column(Text(header), justify="left" if name else "right", no_wrap=not name, overflow="fold")
    for row, begin in zip(texts, begins, strict=True):
        led = [text if begins_here else Text() for text, begins_here in zip(row, begin, strict=False)]
        grid.add_row(*led, *row[len(led) :])
    return grid


def print_blocks(headers: Sequence[str], texts: Sequence[Sequence[Text]], console: Console, names: int) -> None:
    """One block a row: a name and a value on a line, for consoles that the grid does not fit."""
    lines = [header.replace("\n", " ") for header in headers[names:]]
    widest = max(map(cell_len, lines))
    for row in texts:
        console.print(Text(" / ").join(row[:names]), style="bold", overflow="fold")
        for line, text in zip(lines, row[names:], strict=True):
            beside = widest + 4 + cell_len(text.plain) <= console.width
            lead = f"  {line.ljust(widest)}  " if beside else f"  {line}\n    "
            console.print(Text(lead) + text, overflow="fold")
        console.print()


def _text(text: str, marks: tuple[str, ...], console: Console) -> Text:
    """Plain text with its marks; never read as rich markup."""
    return Text(printable(text + (f" [{','.join(marks)}]" if marks else ""), console))


def printable(text: str, console: Console) -> str:
    """The text as far as the console's encoding can say it."""
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(console.encoding, "replace").decode(console.encoding)
    return text
