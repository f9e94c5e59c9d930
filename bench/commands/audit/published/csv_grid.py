"""A table in csv."""

import csv
import io

from bench.commands.audit.published.lines import Line, TableError


def read(text: str) -> list[Line]:
    """The lines of a csv table, as they are: a name may hold what is a mark in Markdown.

    Raises:
        TableError: not valid csv.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [Line(reader.line_num, tuple(cells)) for cells in reader]
    except csv.Error as error:
        raise TableError(f"not valid csv: {error}", reader.line_num) from None
