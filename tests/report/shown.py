"""What readers see of a table, for tests."""

import re

from bench.report.tables.table import Table
from bench.text.tables.table import DASH

Cell = tuple[str, tuple[str, ...]]


def cells(table: Table, row: int = 0) -> dict[str, Cell]:
    """Text and marks of one row by column."""
    names = [*table.heads, *(column.name for column in table.columns)]
    return dict(zip(names, table.shown()[row], strict=True))


def texts(table: Table, row: int = 0) -> list[str]:
    """The texts of one row."""
    return [text for text, _ in table.shown()[row]]


def notes(table: Table) -> dict[str, str]:
    """The marked footnotes."""
    return {note.mark: note.text for note in table.footnotes if note.mark}


def unexplained(table: Table) -> list[tuple[int, int]]:
    """Places of the dashes that no footnote gives a reason for."""
    known = notes(table)
    return [
        (at, place)
        for at, row in enumerate(table.shown())
        for place, (text, marks) in enumerate(row)
        if re.match(rf"{DASH}($| )", text) and not any(known[mark] for mark in marks)
    ]
