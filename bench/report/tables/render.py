"""A table as files: Markdown, csv and LaTeX."""

import re
from collections.abc import Callable, Collection, Sequence

import pandas as pd

from bench.report.analysis.significance import Rank
from bench.report.tables import csv_text
from bench.report.tables.latex import to_latex
from bench.report.tables.table import Column, Table
from bench.text.display import one_line

MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"} | {c: f"\\{c}" for c in "\\`*_[]~"}
)
#: GitHub shows no <u>.
EMPHASIS: dict[Rank, str] = {"best": "**%s**", "second": "<ins>%s</ins>", "": "%s"}

#: What makes a paragraph something else, where it begins with it: a heading, a list, a line.
BEGINNING = re.compile(r"(\d{0,9})([#=+.)-])")


def files(table: Table, formats: Collection[str]) -> dict[str, bytes]:
    """The table by file name, in those of the formats that are files of their own: md, csv and tex.

    Args:
        table: to render.
        formats: by the suffix of a file; others are not looked at.
    """
    writers: dict[str, Callable[[Table], str]] = {"md": to_markdown, "csv": to_csv, "tex": to_latex}
    return {f"{table.name}.{suffix}": write(table).encode() for suffix, write in writers.items() if suffix in formats}


def paragraph(text: str) -> str:
    """Text on one line as a paragraph of Markdown, whatever it begins with."""
    return BEGINNING.sub(r"\1\\\2", text[:10], count=1) + text[10:] if BEGINNING.match(text) else text


def to_markdown(table: Table) -> str:
    """GitHub Markdown: a heading, the caption, the table and its footnotes."""
    body = []
    for heading, columns in table.parts():
        body += [*([f"## {_markdown(heading)}"] if heading else ()), _grid(table, columns)]
    notes = [paragraph(f"{_markdown('', note.mark)} {_markdown(note.text)}".strip()) for note in table.footnotes]
    source = [paragraph(f"Source: {_markdown(one_line(table.source))}")] if table.source else []
    return (
        "\n\n".join([f"# {_markdown(table.title)}", paragraph(_markdown(table.caption)), *body, *notes, *source]) + "\n"
    )


def _grid(table: Table, columns: Sequence[Column]) -> str:
    rows, names = [], len(table.heads)
    for row, ranks, begins in zip(table.shown(columns), table.ranked(columns), table.runs(), strict=True):
        cells = [
            EMPHASIS[rank] % _markdown(text) + _markdown("", " ".join(marks))
            for (text, marks), rank in zip(row, ranks, strict=True)
        ]
        led = [cell if begin else "" for cell, begin in zip(cells, begins, strict=False)]
        rows.append(led + cells[names - 1 :])
    headers = [*table.heads.values(), *(_markdown(column.header.replace("\n", " ")) for column in columns)]
    align = ["left"] * names + ["left" if column.prose else "right" for column in columns]
    frame = pd.DataFrame(rows, columns=headers, dtype="string")
    return str(frame.to_markdown(index=False, disable_numparse=True, colalign=align))


def _markdown(text: str, marks: str = "") -> str:
    return text.translate(MARKDOWN) + (f"<sup>{marks}</sup>" if marks else "")


def to_csv(table: Table) -> str:
    """Raw numbers, empty where unknown; text that a spreadsheet would compute gets a leading apostrophe."""
    frame = table.frame.copy()
    for column in frame.columns[frame.dtypes == "string"]:
        frame[column] = [csv_text.safe(text) for text in frame[column]]
    return str(frame.to_csv(index=False, lineterminator="\n"))
