"""The files of a table."""

from collections.abc import Callable, Collection

from bench.text.tables.csv_text import to_csv
from bench.text.tables.latex import to_latex
from bench.text.tables.markdown import to_markdown
from bench.text.tables.table import Table

WRITERS: dict[str, Callable[[Table], str]] = {"md": to_markdown, "csv": to_csv, "tex": to_latex}


def files(table: Table, formats: Collection[str]) -> dict[str, bytes]:
    """The content of the table's md, csv and tex files, by file name.

    Args:
        table: table to render.
        formats: requested suffixes; others than these three are ignored.
    """
    return {f"{table.name}.{suffix}": write(table).encode() for suffix, write in WRITERS.items() if suffix in formats}
