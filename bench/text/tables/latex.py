"""A table as LaTeX: complete floats to paste into a paper, and a document that shows those of a report."""

import math
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from bench.text.tables.table import DAGGER, DASH, DOUBLE_DAGGER, SECTION, Column, Footnote, Rank, Shown, Table

Thing = TypeVar("Thing")
ESCAPED = str.maketrans(
    {char: f"\\{char}" for char in "{}&%$#_"} | {char: f"{{{char}}}" for char in "[]*"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\textasciigrave{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "±": r"$\pm$", "−": "$-$", "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$",
    DASH: r"\textendash{}", "—": r"\textemdash{}", "…": r"\dots{}", DAGGER: r"\textdagger{}",
    DOUBLE_DAGGER: r"\textdaggerdbl{}", SECTION: r"\textsection{}",
})  # fmt: skip
#: Characters that pdflatex sets directly in the encoding T1; found by compiling each.
SET = (set(map(chr, range(0x20, 0x17F))) - set("ĦħĸĿŀŉŦŧ")) | set("ȘșȚț“”„•‰€™←↑→↓\u2018\u2019")
EMPHASIS: dict[Rank, str] = {"best": r"\textbf{%s}", "second": r"\underline{%s}", "": "%s"}
#: Characters of a line beyond which a grid is rotated.
UPRIGHT_CHARACTERS = 135
#: Lines of a float beside its caption, and characters of a line of footnotes; True: rotated.
LINES, NOTE_CHARACTERS = {False: 52, True: 34}, {False: 125, True: 190}
#: Height in lines of a rule with the space around it.
RULE = 0.5
LONGEST_NOTE = 4000
PROSE_CHARACTERS, PROSE_WIDTH = 40, "4.5cm"
PACKAGES = (
    "% needs in the preamble: \\usepackage[T1]{fontenc} \\usepackage{booktabs,multirow,graphicx,rotating,textcomp}"
)
DOCUMENT = r"""\documentclass[a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage[margin=18mm]{geometry}
\usepackage{booktabs,multirow,graphicx,rotating}
\begin{document}
%s
\end{document}
"""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Columns of a table with their texts and ranks."""

    table: Table
    columns: Sequence[Column]
    shown: Shown
    ranked: Sequence[Sequence[Rank]]

    @property
    def prose(self) -> list[bool]:
        """Whether a column holds words, by column, names first."""
        return [False] * len(self.table.heads) + [column.prose for column in self.columns]

    @property
    def characters(self) -> int:
        """Characters of the widest line, with the space between columns."""
        headers = [*self.table.heads.values(), *(column.header for column in self.columns)]
        found = 0
        for at, (header, prose) in enumerate(zip(headers, self.prose, strict=True)):
            cells = [len(text) + sum(map(len, marks)) for text, marks in (row[at] for row in self.shown)]
            widest = max(*map(len, header.split("\n")), 0, *cells)
            found += 2 + (min(widest, PROSE_CHARACTERS) if prose else widest)
        return found

    @property
    def heights(self) -> list[float]:
        """Height in lines of each row, with the rule above if a group of names begins."""
        places = [at for at, prose in enumerate(self.prose) if prose]
        lines = [max([1, *(math.ceil(len(row[at][0]) / PROSE_CHARACTERS) for at in places)]) for row in self.shown]
        return [count + (RULE if any(begins) else 0) for count, begins in zip(lines, self.table.runs(), strict=True)]


def document(tables: Iterable[Table]) -> str:
    """A document that includes the file of each table."""
    return DOCUMENT % "\n".join(f"\\input{{{table.name}.tex}}\n\\clearpage" for table in tables)


def to_latex(table: Table) -> str:
    """Floats over both columns; a wide grid is rotated, a long one continues in the next float."""
    floats = []
    for (_, columns), (first, later) in zip(table.parts(), _captions(table), strict=True):
        grid = _Grid(table, columns, table.shown(columns), table.ranked(columns))
        wide, heights = grid.characters > UPRIGHT_CHARACTERS, grid.heights
        groups = _groups(table, heights, LINES[wide])
        for packed in _packed(groups, [sum(heights[at] for at in group) for group in groups], LINES[wide]):
            rows = [at for group in packed for at in group]
            floats.append((wide, [later if rows[0] else first, _fitted(_tabular(grid, rows))]))
    source = [f"Source: {table.source}"] if table.source else []
    notes = [text for note in table.footnotes for text in _note(note)] + list(map(escape, source))
    wide, last = floats[-1]
    if sum(heights[at] for at in rows) + sum(_lines(notes, wide)) <= LINES[wide]:
        last += [r"\par\smallskip", _minipage(notes)] if notes else []
    else:
        floats += [(False, [_minipage(one)]) for one in _packed(notes, _lines(notes, False), LINES[False])]
    return "\n".join([PACKAGES, *(f"% {text}" for text in source), *(_float(*one) for one in floats)]) + "\n"


def escape(text: str) -> str:
    """The text escaped for LaTeX; a character that it cannot set becomes a box with the code point."""
    composed = unicodedata.normalize("NFC", text)
    shown = "".join(char.translate(ESCAPED) if _is_set(char) else _box(char) for char in composed)
    # These pairs are ligatures: --flag must not be set as a dash.
    return re.sub(r"([-',])(?=\1)", r"\1{}", shown)


def _is_set(char: str) -> bool:
    return (char in SET and char.isprintable()) or ord(char) in ESCAPED


def _box(char: str) -> str:
    return rf"\fbox{{\tiny U+{ord(char):04X}}}"


def _superscript(marks: str) -> str:
    return rf"\textsuperscript{{{escape(marks)}}}" if marks else ""


def _note(note: Footnote) -> list[str]:
    """A footnote in pieces that fit into a float."""
    first, *rest = map(escape, textwrap.wrap(note.text, LONGEST_NOTE, break_on_hyphens=False) or [""])
    return [f"{_superscript(note.mark)} {first}".strip(), *rest]


def _float(wide: bool, content: Sequence[str]) -> str:
    name, place = ("sidewaystable*", "") if wide else ("table*", "[tbp]")
    return "\n".join([rf"\begin{{{name}}}{place}", r"\centering\footnotesize", *content, rf"\end{{{name}}}"])


def _captions(table: Table) -> list[tuple[str, str]]:
    """By grid: the caption of its first float, and that of the floats that continue it."""
    found = []
    for at, (heading, _) in enumerate(table.parts()):
        title = escape(f"{table.title}: {heading}" if heading else table.title)
        text = escape(table.caption) if at == 0 else "Measured as said with the first part."
        label = table.name + (f"-{at + 1}" if at else "")
        first = rf"\caption[{{{title}}}]{{{title}. \footnotesize {text}}}" + f"\n\\label{{tab:{label}}}"
        found.append((first, "\\addtocounter{table}{-1}\n" + rf"\caption[]{{{title}, continued.}}"))
    return found


def _fitted(tabular: str) -> str:
    """A grid, scaled down if it is wider than the page."""
    width = r"\ifdim\width>\linewidth\linewidth\else\width\fi"
    return "\n".join([r"\smallskip", rf"\resizebox{{{width}}}{{!}}{{%", f"{tabular}%", "}"])


def _groups(table: Table, heights: Sequence[float], most: int) -> list[list[int]]:
    """Indices of rows to keep together: those that share all names but the last, as far as they fit into one float."""
    found: list[list[int]] = []
    for at, begins in enumerate(table.runs()):
        if begins and not begins[-1] and sum(heights[row] for row in found[-1]) + heights[at] <= most:
            found[-1].append(at)
        else:
            found.append([at])
    return found


def _tabular(grid: _Grid, rows: Sequence[int]) -> str:
    heads, columns = grid.table.heads.values(), grid.columns
    names = len(heads)
    cells = []
    for at in rows:
        places = zip(grid.shown[at], grid.ranked[at], grid.prose, strict=True)
        cells.append([_cell(text, marks, rank, prose) for (text, marks), rank, prose in places])
    index = pd.MultiIndex.from_tuples([tuple(row[:names]) for row in cells])
    headers = [_header(column.header, "[l]" if column.prose else "") for column in columns]
    style = pd.DataFrame([row[names:] for row in cells], index=index, columns=headers, dtype=object).style
    layout = "l" * names + "".join("l" if column.prose else "r" for column in columns)
    text = style.to_latex(
        hrules=True, sparse_index=True, multirow_align="t", clines="skip-last;data", column_format=layout
    )  # fmt: skip
    return _ruled(text.strip(), [_header(head) for head in heads])


def _cell(text: str, marks: Sequence[str], rank: Rank, prose: bool) -> str:
    if prose:
        text = rf"\parbox[t]{{{PROSE_WIDTH}}}{{\raggedright {escape(text)}\strut}}"
    else:
        text = EMPHASIS[rank] % escape(text)
    return text + _superscript(" ".join(marks))


def _header(header: str, side: str = "") -> str:
    lines = r" \\ ".join(map(escape, header.split("\n")))
    return rf"\shortstack{side}{{{lines}}}" if "\n" in header else lines


def _ruled(tabular: str, heads: Sequence[str]) -> str:
    """Add the headers of the names, and replace ``cline`` by the rules of booktabs."""
    first = "\\toprule\n" + " & " * len(heads)
    assert first in tabular, "the index has no names, so its headers are blank"
    tabular = tabular.replace(first, "\\toprule\n" + " & ".join(heads) + " & ", 1)
    tabular = re.sub(r"^\\cline\{1-\d+\}.*$", r"\\midrule", tabular, flags=re.MULTILINE)
    tabular = re.sub(r"^\\cline\{(\d+-\d+)\}.*$", r"\\cmidrule{\1}", tabular, flags=re.MULTILINE)
    return tabular.replace("\\midrule\n\\bottomrule", "\\bottomrule")


def _minipage(notes: Sequence[str]) -> str:
    lines = [r"\begin{minipage}{\linewidth}\raggedright", "\\par\n".join(notes), r"\end{minipage}"]
    return "\n".join(lines)


def _lines(notes: Sequence[str], wide: bool) -> list[int]:
    return [1 + len(note) // NOTE_CHARACTERS[wide] for note in notes]


def _packed(things: Sequence[Thing], heights: Sequence[float], most: int) -> list[list[Thing]]:
    """The items of each float.

    Args:
        things: items in order.
        heights: height of each in lines.
        most: lines of a float.
    """
    found: list[list[Thing]] = []
    room = 0.0
    for thing, height in zip(things, heights, strict=True):
        if height > room:
            found.append([])
            room = most
        found[-1].append(thing)
        room -= height
    return found
