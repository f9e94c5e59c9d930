"""A table in a terminal: one grid if it fits, otherwise one block per row; numbers are never cut."""

from collections.abc import Sequence
from typing import Literal, cast

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table as Grid
from rich.text import Text

from bench.text.display import for_terminal, say
from bench.text.tables.table import Column, Rank, Table

#: Characters to which names are folded before columns are left out.
NARROWEST_NAME = 12
#: Maximum characters of a name in a table that is printed in parts.
WIDEST_NAME = 24
#: Blanks between two columns.
GAP = 2
#: Width in characters of a file or a pipe, where nothing is folded.
UNFOLDED = 10_000
STYLES: dict[Rank, str] = {"best": "bold", "second": "underline", "": ""}


def unfold(console: Console) -> None:
    """Make a console wide enough for every column, unless it is a terminal."""
    if not console.is_terminal:
        console.width = UNFOLDED


def show(table: Table, console: Console) -> None:
    """Print a table with its title, footnotes and caption at the console's width."""
    if table.title:
        say(table.title, console, "bold", fold=True)
    if table.rows:
        show_rows(table, console)
    for note in table.notes:
        say(f"{note.mark} {note.text}".strip(), console, fold=True)
    if table.caption:
        say(table.caption, console, "dim", fold=True)


def show_rows(table: Table, console: Console) -> None:
    """Print the rows of a table, without optional columns if not all columns fit."""
    columns = table.columns
    texts = _texts(table, columns, console)
    if _width(table, columns, texts) > console.width:
        columns, texts = table.required, _texts(table, table.required, console)
    if _width(table, columns, texts) <= console.width:
        console.print(_grid(table, columns, texts))
    else:
        print_blocks([header for header, _ in _headers(table, columns)], texts, console, len(table.heads))
    if len(columns) < len(table.columns):
        say("More columns: a wider terminal, or --format csv.", console, fold=True)


def show_compact(table: Table, console: Console) -> None:
    """Print the rows of a table in as few lines as the console's width allows; names are not folded.

    Where space is short, all names but the last stand in a line above their rows; then optional columns are left out;
    then each row is a block of lines.
    """
    everything, names = table.columns, len(table.heads)
    for lead, columns in ((0, everything), (names - 1, everything), (names - 1, table.required)):
        texts = _texts(table, columns, console)
        widths = _widest(table, columns, texts)[lead:]
        if sum(widths) + len(widths) - 1 <= console.width:
            return console.print(_compact_grid(table, columns, texts, widths, lead))
    texts = _texts(table, everything, console)
    return print_blocks([header for header, _ in _headers(table, everything)], texts, console, names)


def _compact_grid(
    table: Table, columns: Sequence[Column], texts: Sequence[Sequence[Text]], widths: Sequence[int], lead: int
) -> Group:
    """The columns from ``lead`` on; the names before them stand in a line above their rows."""
    headers = _headers(table, columns)[lead:]

    def grid(show_header: bool) -> Grid:
        made = Grid(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_header=show_header)
        for (header, folded), width in zip(headers, widths, strict=True):
            made.add_column(Text(header), justify="left" if folded else "right", width=width, no_wrap=True)
        return made

    parts: list[Grid | Text] = [grid(show_header=True)]
    for row, begins in zip(texts, table.runs(), strict=True):
        if lead and any(begins[:lead]):
            parts += [Text(" / ").join(row[:lead]), grid(show_header=False)]
        led = [text if begin else Text() for text, begin in zip(row, begins, strict=False)]
        cast(Grid, parts[-1]).add_row(*[*led, *row[len(led) :]][lead:])
    return Group(*parts)


def show_parts(table: Table, console: Console) -> None:
    """Print the rows of a table as consecutive grids, each with the names and as many columns as fit."""
    rest = list(table.columns)
    while rest:
        fitting = [
            count
            for count in range(1, len(rest) + 1)
            if _whole_width(table, rest[:count], _texts(table, rest[:count], console)) <= console.width
        ]
        count = max(fitting, default=1)
        part, rest = rest[:count], rest[count:]
        console.print()
        console.print(_grid(table, part, _texts(table, part, console), WIDEST_NAME))
    console.print()


def _texts(table: Table, columns: Sequence[Column], console: Console) -> list[list[Text]]:
    names, rows = [*table.heads, *(column.name for column in columns)], []
    for at, row in enumerate(table.shown(columns)):
        cells = [for_terminal(text + (f" [{','.join(marks)}]" if marks else ""), console) for text, marks in row]
        for name, cell in zip(names, cells, strict=True):
            cell.stylize(table.styles.get((at, name), STYLES[table.ranks.get((at, name), "")]))
        rows.append(cells)
    return rows


def _headers(table: Table, columns: Sequence[Column]) -> list[tuple[str, bool]]:
    """By column: header, and whether its cells may be folded."""
    return [*((head, True) for head in table.heads.values()), *((one.header, one.prose) for one in columns)]


def _width(table: Table, columns: Sequence[Column], texts: Sequence[Sequence[Text]]) -> int:
    """Width of the grid in characters with names and prose folded."""
    widths = zip(_widest(table, columns, texts), _headers(table, columns), strict=True)
    return sum((min(widest, NARROWEST_NAME) if folded else widest) + GAP for widest, (_, folded) in widths)


def _whole_width(table: Table, columns: Sequence[Column], texts: Sequence[Sequence[Text]]) -> int:
    """Width of the grid in characters with only the names folded."""
    widths = _widest(table, columns, texts)
    names = len(table.heads)
    return sum((min(widest, WIDEST_NAME) if at < names else widest) + GAP for at, widest in enumerate(widths))


def _widest(table: Table, columns: Sequence[Column], texts: Sequence[Sequence[Text]]) -> list[int]:
    return [
        max(map(cell_len, (*header.split("\n"), *(row[at].plain for row in texts))))
        for at, (header, _) in enumerate(_headers(table, columns))
    ]


def _grid(
    table: Table, columns: Sequence[Column], texts: Sequence[Sequence[Text]], widest_name: int | None = None
) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for at, (header, folded) in enumerate(_headers(table, columns)):
        widest = widest_name if at < len(table.heads) else None
        justify: Literal["left", "right"] = "left" if folded else "right"
        grid.add_column(Text(header), justify=justify, no_wrap=not folded, overflow="fold", max_width=widest)
    for row, begins in zip(texts, table.runs(), strict=True):
        led = [text if begin else Text() for text, begin in zip(row, begins, strict=False)]
        grid.add_row(*led, *row[len(led) :])
    return grid


def print_blocks(headers: Sequence[str], texts: Sequence[Sequence[Text]], console: Console, names: int) -> None:
    """Print one block per row, with a header and a value on each line, if the grid does not fit.

    Args:
        headers: one per column, names first.
        texts: rows in the order of the headers.
        console: output console.
        names: number of names, which lead each block.
    """
    lines = [header.replace("-\n", "").replace("\n", " ") for header in headers[names:]]
    widest = max(map(cell_len, lines))
    for row in texts:
        console.print(Text(" / ").join(row[:names]), style="bold", overflow="fold")
        for line, text in zip(lines, row[names:], strict=True):
            beside = widest + 4 + cell_len(text.plain) <= console.width
            lead = f"  {line.ljust(widest)}  " if beside else f"  {line}\n    "
            console.print(Text(lead) + text, overflow="fold")
        console.print()
