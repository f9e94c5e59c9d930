"""The cells of a printed table, read from a csv file, a Markdown table or a LaTeX tabular."""

from dataclasses import dataclass, replace
from pathlib import Path

from bench.commands.audit.published import csv_grid, latex_grid, markdown_grid
from bench.commands.audit.published.lines import Line, TableError
from bench.errors import DataError
from bench.text.display import one_line

#: Limits of a table. The largest published ones have some hundred rows.
LARGEST_FILE_BYTES = 2**20
MOST_ROWS, MOST_COLUMNS = 5000, 200
#: Maximum characters of a cell.
LONGEST_CELL = 120
READERS = {".csv": csv_grid.read, ".md": markdown_grid.read, ".tex": latex_grid.read}


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a table, without markup.

    Attributes:
        header_line: line of the file with the headings, from 1.
        header: headings; those in several lines are joined.
        rows: the other lines; each has as many cells as there are headings.
        titles: lines that are one cell over all columns, and are no rows.
    """

    header_line: int
    header: tuple[str, ...]
    rows: tuple[Line, ...]
    titles: tuple[Line, ...] = ()


def read_grid(path: Path) -> Grid:
    """Read the cells of a table.

    Args:
        path: a .csv, .md or .tex file with one table.

    Raises:
        DataError: it cannot be read, holds no table or several, or is larger than the limits; the message names file
            and line.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: must be a table in a file whose name ends in {', '.join(READERS)}")
    try:
        lines = reader(_text(path))
    except TableError as error:
        raise DataError(f"{path}{f' line {error.line}' if error.line else ''}: {error}") from None
    lines = [
        replace(line, cells=tuple(one_line(cell, LONGEST_CELL) for cell in line.cells))
        for line in lines
        if any(line.cells)
    ]
    titles = tuple(line for line in lines if line.is_title)
    lines = [line for line in lines if not line.is_title and any(line.cells)]
    if not lines:
        raise DataError(f"{path}: empty; its first line must name the columns, e.g. dataset,model,method,f1")
    header, rows = lines[0], lines[1:]
    if not rows:
        raise DataError(f"{path}: no rows below the line of column names")
    if len(rows) > MOST_ROWS or len(header.cells) > MOST_COLUMNS:
        raise DataError(
            f"{path}: must have at most {MOST_ROWS} rows and {MOST_COLUMNS} columns, got {len(rows)} rows and "
            f"{len(header.cells)} columns"
        )
    for row in rows:
        if len(row.cells) != len(header.cells):
            raise DataError(
                f"{path} line {row.number}: must have {len(header.cells)} cells as the first line has, "
                f"got {len(row.cells)}"
            )
    return Grid(header.number, header.cells, tuple(rows), titles)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
        if len(content) > LARGEST_FILE_BYTES:
            raise DataError(f"{path}: must be at most {LARGEST_FILE_BYTES:,} bytes; keep only the table")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from None
