"""A table in a terminal: one grid where it fits, else one block a row; numbers are never cut."""

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from bench.text.display import for_terminal
from bench.text.tables.table import Column, Rank, Table

#: A name is folded to this many columns of the terminal before columns are left out.
NARROWEST_NAME = 12
#: Width of a file or a pipe, which need not be folded.
UNFOLDED = 10_000
STYLES: dict[Rank, str] = {"best": "bold", "second": "underline", "": ""}


def unfold(console: Console) -> None:
    """Give a console that is no terminal room for every column."""
    if not console.is_terminal:
        console.width = UNFOLDED


def show(table: Table, console: Console) -> None:
    """Print a table, its footnotes and its caption at the console's width."""
    if table.title:
        _print(table.title, console, "bold")
    if table.rows:
        show_rows(table, console)
    for note in table.notes:
        _print(f"{note.mark} {note.text}".strip(), console)
    if table.caption:
        _print(table.caption, console, "dim")


def show_rows(table: Table, console: Console) -> None:
    """Print the rows of a table; optional columns are left out where all of them need more than the console has."""
    columns = table.columns
    texts = _texts(table, columns, console)
    cut = [column for column in columns if not column.optional]
    if len(cut) < len(columns) and _width(table, columns, texts) > console.width:
        columns, texts = tuple(cut), _texts(table, cut, console)
    if _width(table, columns, texts) <= console.width:
        console.print(_grid(table, columns, texts))
    else:
        print_blocks([header for header, _ in _headers(table, columns)], texts, console, len(table.heads))
    if len(columns) < len(table.columns):
        _print("More columns: a wider terminal, or --format csv.", console)


def _print(text: str, console: Console, style: str = "") -> None:
    console.print(for_terminal(text, console), style=style, overflow="fold")


def _texts(table: Table, columns: Sequence[Column], console: Console) -> list[list[Text]]:
    rows = []
    for row, ranks in zip(table.shown(columns), table.ranked(columns), strict=True):
        cells = [for_terminal(text + (f" [{','.join(marks)}]" if marks else ""), console) for text, marks in row]
        for cell, rank in zip(cells, ranks, strict=True):
            cell.stylize(STYLES[rank])
        rows.append(cells)
    return rows


def _headers(table: Table, columns: Sequence[Column]) -> list[tuple[str, bool]]:
    """By column: header, and whether its cells are folded where space is short."""
    return [*((head, True) for head in table.heads.values()), *((one.header, one.prose) for one in columns)]


def _width(table: Table, columns: Sequence[Column], texts: Sequence[Sequence[Text]]) -> int:
    """Columns of the terminal that the grid needs, its words folded as far as is readable."""
    total = 0
    for at, (header, folded) in enumerate(_headers(table, columns)):
        widest = max(map(cell_len, (*header.split("\n"), *(row[at].plain for row in texts))))
        total += (min(widest, NARROWEST_NAME) if folded else widest) + 2  # one blank and one divider, itself a blank
    return total


def _grid(table: Table, columns: Sequence[Column], texts: Sequence[Sequence[Text]]) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for header, folded in _headers(table, columns):
        grid.add_column(Text(header), justify="left" if folded else "right", no_wrap=not folded, overflow="fold")
    for row, begins in zip(texts, table.runs(), strict=True):
        led = [text if begin else Text() for text, begin in zip(row, begins, strict=False)]
        grid.add_row(*led, *row[len(led) :])
    return grid


def print_blocks(headers: Sequence[str], texts: Sequence[Sequence[Text]], console: Console, names: int) -> None:
    """Print one block a row, a header and a value on a line, for consoles that the grid does not fit.

    Args:
        headers: one a column, names first.
        texts: rows in the order of the headers.
        console: where to.
        names: number of names, which lead each block.
    """
    lines = [header.replace("\n", " ") for header in headers[names:]]
    widest = max(map(cell_len, lines))
    for row in texts:
        console.print(Text(" / ").join(row[:names]), style="bold", overflow="fold")
        for line, text in zip(lines, row[names:], strict=True):
            beside = widest + 4 + cell_len(text.plain) <= console.width
            lead = f"  {line.ljust(widest)}  " if beside else f"  {line}\n    "
            console.print(Text(lead) + text, overflow="fold")
        console.print()
