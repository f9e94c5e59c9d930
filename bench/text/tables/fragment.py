"""A table as an HTML fragment: its grids with a caption each, and its footnotes."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from bench.text.tables.table import Column, Rank, Table

GRID: Any = Styler.from_custom_template(str(Path(__file__).parent), html_table="table.html.jinja")
EMPHASIS: dict[Rank, str] = {
    "best": '<strong title="best: its interval lies above all others">%s</strong>',
    "second": '<u title="second: its interval lies above all lower ones">%s</u>',
    "": "%s",
}


def to_html(table: Table) -> str:
    """A ``<section>`` whose ids begin with the table's name; cells with equal names in a column are merged."""
    ids = {note.mark: f"{table.name}-note-{at}" for at, note in enumerate(table.footnotes, start=1)}
    notes = [
        f'<li id="{table.name}-note-{at}">{_marked(note.mark)}{escape(note.text)}</li>'
        for at, note in enumerate(table.footnotes, start=1)
    ]
    if table.source:
        notes.append(f"<li>Source: {escape(table.source)}</li>")
    grids = [_grid(table, at, columns, ids) for at, (_, columns) in enumerate(table.parts())]
    below = ['<ul class="footnotes">', *notes, "</ul>"] if notes else []
    return "\n".join([f'<section class="table" id="{table.name}">', *grids, *below, "</section>"]) + "\n"


def _marked(mark: str) -> str:
    return f"<sup>{escape(mark)}</sup> " if mark else ""


def _grid(table: Table, at: int, columns: Sequence[Column], ids: Mapping[str, str]) -> str:
    names = len(table.heads)
    cells = [
        [_cell(text, marks, rank, ids) for (text, marks), rank in zip(row, ranks, strict=True)]
        for row, ranks in zip(table.shown(columns), table.ranked(columns), strict=True)
    ]
    index = pd.MultiIndex.from_tuples([tuple(row[:names]) for row in cells], names=list(table.heads.values()))
    headers = [escape(column.header).replace("\n", "<br>") for column in columns]
    frame = pd.DataFrame([row[names:] for row in cells], index=index, columns=headers, dtype=object)
    heading = table.parts()[at][0]
    caption = f"<strong>{escape(f'{table.title}: {heading}' if heading else table.title)}</strong>"
    if at == 0:
        caption += f" {escape(table.caption)}"
    return str(GRID(frame).set_caption(caption).to_html(sparse_index=True, exclude_styles=True)).strip()


def _cell(text: str, marks: Sequence[str], rank: Rank, ids: Mapping[str, str]) -> str:
    found = EMPHASIS[rank] % escape(text)
    if marks:
        notes = " ".join(ids[mark] for mark in marks)
        found += f'<sup aria-describedby="{notes}">{escape(" ".join(marks))}</sup>'
    return found
