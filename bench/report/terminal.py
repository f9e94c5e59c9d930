"""Table 3 in a terminal: one grid where it fits, else one block a row; numbers are never cut."""

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.report.table3 import NAMES, Table3, runs, shown

NARROWEST_NAME = 10
ASCII = str.maketrans({"†": "+", "‡": "++", "§": "#", "±": "+/-", "–": "-", "…": "..."})


def show(table: Table3, console: Console) -> None:
    """Print the table, its footnotes and its caption at the console's width."""
    texts = [[_text(text, marks, console) for text, marks in row] for row in shown(table)]
    console.print(Text(_printable(table.title, console), style="bold"))
    if _width(table, texts) <= console.width:
        console.print(_grid(table, texts))
    else:
        _print_blocks(table, texts, console)
    for note in table.footnotes:
        console.print(_text(f"{note.mark} {note.text}".strip(), (), console), overflow="fold")
    console.print(_text(table.caption, (), console), style="dim", overflow="fold")


def _width(table: Table3, texts: list[list[Text]]) -> int:
    """Columns of the terminal that the grid needs, its names folded as far as is readable."""
    widths = []
    for index, header in enumerate(table.headers):
        cells = [*header.split("\n"), *(row[index].plain for row in texts)]
        widest = max(map(cell_len, cells))
        widths.append(min(widest, NARROWEST_NAME) if index < len(NAMES) else widest)
    return sum(widths) + 2 * len(widths)


def _grid(table: Table3, texts: list[list[Text]]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for index, header in enumerate(table.headers):
        name = index < len(NAMES)
        grid.add_column(Text(header), justify="left" if name else "right", no_wrap=not name, overflow="fold")
    for row, begins in zip(texts, runs(table), strict=True):
        names = [text if begin else Text() for text, begin in zip(row, begins, strict=False)]
        grid.add_row(*names, *row[len(names) :])
    return grid


def _print_blocks(table: Table3, texts: list[list[Text]], console: Console) -> None:
    """One block a row: a name and a value on a line, for consoles that the grid does not fit."""
    headers = [header.replace("\n", " ") for header in table.headers[len(NAMES) :]]
    widest = max(map(cell_len, headers))
    for row in texts:
        console.print(Text(" / ").join(row[: len(NAMES)]), style="bold", overflow="fold")
        for header, text in zip(headers, row[len(NAMES) :], strict=True):
            beside = widest + 4 + cell_len(text.plain) <= console.width
            lead = f"  {header.ljust(widest)}  " if beside else f"  {header}\n    "
            console.print(Text(lead) + text, overflow="fold")
        console.print()


def _text(text: str, marks: tuple[str, ...], console: Console) -> Text:
    """Plain text with its marks; never read as rich markup."""
    return Text(_printable(text + (f" [{','.join(marks)}]" if marks else ""), console))


def _printable(text: str, console: Console) -> str:
    """The text as far as the console's encoding can say it."""
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(console.encoding, "replace").decode(console.encoding)
    return text
