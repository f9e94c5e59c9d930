"""Tables as csv: raw numbers, and text that no spreadsheet takes for a formula."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from bench.text.tables.table import Table

#: Characters that start a formula in a spreadsheet, full-width forms included, and blanks that it may skip before one.
SIGNS, BLANKS = tuple("=+-@\uff1d\uff0b\uff0d\uff20"), ("\t", "\r", "\n")


def to_csv(table: Table) -> str:
    """The raw values of a table; the keys of the first row are the header."""
    columns = list(table.rows[0]) if table.rows else []
    return csv_lines(columns, ([row[name] for name in columns] for row in table.rows))


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The text of a csv file.

    Args:
        columns: names of the columns.
        rows: values in the order of the columns; None is an empty field.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([safe(value) if isinstance(value, str) else value for value in row] for row in (columns, *rows))
    return buffer.getvalue()


def safe(text: str) -> str:
    """The text with blanks for control characters, and a leading apostrophe if a spreadsheet would compute it."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return f"'{plain}" if text.startswith(BLANKS) or plain.lstrip().startswith(SIGNS) else plain
