"""A table as Markdown, csv and LaTeX."""

import re
from collections.abc import Sequence

import pandas as pd

from bench.report import csv_text
from bench.report.footnotes import DAGGER, DOUBLE_DAGGER, SECTION
from bench.report.names import NAMES
from bench.report.table import DASH, Column, Table

LATEX = str.maketrans(
    {char: f"\\{char}" for char in "{}&%$#_"} | {char: f"{{{char}}}" for char in "[]*"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "±": r"$\pm$", DASH: r"\textendash{}", "…": r"\dots{}", DAGGER: r"\textdagger{}",
    DOUBLE_DAGGER: r"\textdaggerdbl{}", SECTION: r"\textsection{}",
})  # fmt: skip
MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"} | {c: f"\\{c}" for c in "\\`*_[]~"}
)

#: What makes a paragraph something else, where it begins with it: a heading, a list, a line.
BEGINNING = re.compile(r"(\d{0,9})([#=+.)-])")


def paragraph(text: str) -> str:
    """Text on one line as a paragraph of Markdown, whatever it begins with."""
    return BEGINNING.sub(r"\1\\\2", text[:10], count=1) + text[10:] if BEGINNING.match(text) else text


def to_markdown(table: Table, parts: Sequence[tuple[str, Sequence[Column]]] = ()) -> str:
    """GitHub Markdown: a heading, the caption, the table and its footnotes.

    Args:
        table: to render.
        parts: headings and columns of several grids, where one would be too wide; none: one grid of all columns.
    """
    grids = [text for title, columns in parts for text in (f"## {_markdown(title)}", _grid(table, columns))]
    notes = [paragraph(f"{_markdown('', note.mark)} {_markdown(note.text)}".strip()) for note in table.footnotes]
    body = grids or [_grid(table, table.columns)]
    return "\n\n".join([f"# {_markdown(table.title)}", _markdown(table.caption), *body, *notes]) + "\n"


def _grid(table: Table, columns: Sequence[Column]) -> str:
    rows = []
    for row, begins in zip(table.shown(columns), table.runs(), strict=True):
        cells = [_markdown(text, " ".join(marks)) for text, marks in row]
        rows.append([cell if begin else "" for cell, begin in zip(cells, begins, strict=False)] + cells[2:])
    headers = [*(name.capitalize() for name in NAMES), *(column.header.replace("\n", " ") for column in columns)]
    align = ("left",) * len(NAMES) + ("right",) * len(columns)
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


def to_latex(table: Table) -> str:
    """A whole table* environment; needs the packages booktabs, multirow and graphicx."""
    rows = []
    for row, begins in zip(table.shown(), table.runs(), strict=True):
        cells = [_latex(text, " ".join(marks)) for text, marks in row]
        for place, count in enumerate(begins):
            text = rf"\multirow[t]{{{count}}}{{*}}{{{cells[place]}}}" if count > 1 else cells[place]
            cells[place] = text if count else ""
        rows.append(cells)
    headers = [rf"\shortstack{{{_latex(header)}}}".replace("\n", r" \\ ") for header in table.headers]
    style = pd.DataFrame(rows, columns=headers, dtype="string").style.hide(axis="index")
    tabular = style.to_latex(hrules=True, column_format="l" * len(NAMES) + "r" * len(table.columns)).strip()
    notes = [f"{_latex('', note.mark)} {_latex(note.text)}".strip() for note in table.footnotes]
    below = [r"\par\smallskip", r"\begin{minipage}{\textwidth}\footnotesize\raggedright"]
    below += ["\\par\n".join(notes), r"\end{minipage}"]
    title = _latex(table.title)
    lines = [
        "% packages: booktabs, multirow, graphicx",
        r"\begin{table*}[tb]",
        r"\centering",
        rf"\caption[{{{title}}}]{{{title}. {_latex(table.caption)}}}",
        rf"\resizebox{{\textwidth}}{{!}}{{%{chr(10)}{tabular}%{chr(10)}}}",
        *(below if notes else ()),
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _latex(text: str, marks: str = "") -> str:
    # Twice for three hyphens in a row: --flag must not become a dash.
    escaped = text.translate(LATEX).replace("--", "-{}-").replace("--", "-{}-")
    return escaped + (rf"\textsuperscript{{{marks.translate(LATEX)}}}" if marks else "")
