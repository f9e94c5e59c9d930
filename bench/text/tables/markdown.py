"""A table as GitHub Markdown."""

import re
from collections.abc import Sequence

from tabulate import tabulate

from bench.text.display import one_line
from bench.text.tables.table import Column, Rank, Table

ESCAPED = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"} | {c: f"\\{c}" for c in "\\`*_[]~"}
)
#: GitHub drops <u>, so the second best is <ins>.
EMPHASIS: dict[Rank, str] = {"best": "**%s**", "second": "<ins>%s</ins>", "": "%s"}

#: Beginnings that would turn a paragraph into a heading, a list or a rule.
BEGINNING = re.compile(r"(\d{0,9})([#=+.)-])")


def escape(text: str, limit: int | None = None) -> str:
    """The text on one line, escaped for Markdown.

    Args:
        text: foreign text.
        limit: maximum length in characters before escaping.
    """
    return one_line(text, limit).translate(ESCAPED)


def paragraph(text: str) -> str:
    """Escaped text as a paragraph, its beginning escaped if it would be a heading, a list or a rule."""
    return BEGINNING.sub(r"\1\\\2", text[:10], count=1) + text[10:] if BEGINNING.match(text) else text


def to_markdown(table: Table) -> str:
    """A heading, the caption, the table and its footnotes."""
    body = []
    for heading, columns in table.parts():
        body += [*([f"## {escape(heading)}"] if heading else ()), table_grid(table, columns)]
    notes = [paragraph(f"{_superscript(note.mark)} {escape(note.text)}".strip()) for note in table.notes]
    parts = [f"# {escape(table.title)}", paragraph(escape(table.caption)), *body, *notes]
    return "\n\n".join(parts) + "\n"


def table_grid(table: Table, columns: Sequence[Column]) -> str:
    """The rows of a table; a name is left out if the row above has the same."""
    rows, names = [], len(table.heads)
    for row, ranks, begins in zip(table.shown(columns), table.ranked(columns), table.runs(), strict=True):
        cells = [
            EMPHASIS[rank] % escape(text) + _superscript(" ".join(marks))
            for (text, marks), rank in zip(row, ranks, strict=True)
        ]
        led = [cell if begin else "" for cell, begin in zip(cells, begins, strict=False)]
        rows.append(led + cells[names - 1 :])
    headers = [escape(header) for header in (*table.heads.values(), *(column.header for column in columns))]
    return grid(headers, rows, ["left"] * names + ["left" if column.prose else "right" for column in columns])


def grid(headers: Sequence[str], rows: Sequence[Sequence[str]], align: Sequence[str]) -> str:
    """A Markdown table of escaped text.

    Args:
        headers: one per column.
        rows: cells in the order of the headers.
        align: ``left`` or ``right``, one per column.
    """
    return tabulate(rows, headers, tablefmt="pipe", colalign=align, disable_numparse=True)


def _superscript(marks: str) -> str:
    return f"<sup>{marks}</sup>" if marks else ""
