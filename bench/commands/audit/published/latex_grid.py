r"""A table in LaTeX: the rows of one ``tabular``, with ``\multicolumn`` and ``\multirow`` spread out."""

import itertools
import re
from dataclasses import dataclass, field

from bench.commands.audit.published.lines import Line, TableError
from bench.commands.audit.published.markup import after_groups, from_latex, group_end

_BEGIN = re.compile(r"\\begin\{(tabular[*xy]?|tblr|longtable)\}")
_RULES = re.compile(
    r"\\(?:toprule|midrule|bottomrule|hline|cmidrule|cline|specialrule|addlinespace|rowcolor|arrayrulecolor|noalign"
    r"|morecmidrules|hdashline|Xhline)(?![A-Za-z])"
)
_SPAN = re.compile(r"\s*\\multicolumn\s*\{\s*(\d{1,3})\s*\}")
_TALL = re.compile(r"\s*\\multirow\s*(?:\[[^\]]{0,20}\])?\s*\{\s*(\d{1,3})\s*\}")
#: A row may have this many cells, and a cell of multirow this many rows, so that a short text makes no huge table.
_MOST_CELLS, _TALLEST = 200, 200


@dataclass
class _Row:
    """A row of a tabular: its line, its cells, whether one cell spans all, and whether a rule comes before it."""

    number: int
    cells: list[str]
    is_title: bool
    after_rule: bool
    tall: dict[int, int] = field(default_factory=dict)


def read(text: str) -> list[Line]:
    r"""The lines of the tabular in a text. The header ends at the first rule below a row; its lines are joined.

    A cell of ``\multirow`` is repeated in the rows that it spans. A row that is one cell over all columns is a
    title and marked so.

    Raises:
        TableError: there is no tabular, more than one, or a group in it stays open.
    """
    text = re.sub(r"(?<!\\)%[^\n]*", "", text)
    begins = list(_BEGIN.finditer(text))
    if not begins:
        raise TableError(r"no LaTeX table: it needs \begin{tabular} and \end{tabular}")
    begin = begins[0]
    if len(begins) > 1:
        raise TableError("must hold one tabular, got another", _line(text, begins[1].start()))
    end = text.find(rf"\end{{{begin[1]}}}", begin.end())
    if end < 0:
        raise TableError(rf"\begin{{{begin[1]}}} has no \end", _line(text, begin.start()))
    arguments = 2 if begin[1] in ("tabular*", "tabularx", "tabulary") else 1
    start = after_groups(text, begin.end(), arguments)
    rows = _rows(text[:end], start)
    _spread_down(rows)
    return _with_one_header(rows)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _rows(text: str, start: int) -> list[_Row]:
    rows: list[_Row] = []
    number, counted_to, after_rule = _line(text, start), start, False
    for first, last in _pieces(text, start, "\\\\"):
        piece = text[first:last]
        body, ruled = _without_rules(piece)
        after_rule = after_rule or ruled
        number += text.count("\n", counted_to, last)
        counted_to = last
        if body.strip():
            rows.append(_row(body, number, after_rule))
            after_rule = False
    return rows


def _without_rules(piece: str) -> tuple[str, bool]:
    """The text of a row without the commands for rules and their arguments, and whether it had one."""
    kept: list[str] = []
    position, ruled = 0, False
    for found in _RULES.finditer(piece):
        if found.start() < position:
            continue
        kept.append(piece[position : found.start()])
        position = found.end()
        while position < len(piece) and piece[position] in "[{(":
            closing = piece.find(")", position) + 1 if piece[position] == "(" else group_end(piece, position)
            position = closing or len(piece)
        ruled = ruled or found[0] in ("\\midrule", "\\hline", "\\toprule", "\\specialrule", "\\Xhline")
    kept.append(piece[position:])
    return "".join(kept), ruled


def _row(body: str, number: int, after_rule: bool) -> _Row:
    row = _Row(number, [], False, after_rule)
    parts = [body[first:last] for first, last in _pieces(body, 0, "&")]
    for part in parts:
        span, tall = _SPAN.match(part), _TALL.match(part)
        width = min(int(span[1]), _MOST_CELLS) if span else 1
        inner = part[after_groups(part, span.end(), 1) :] if span else part
        tall = tall or _TALL.match(inner.lstrip("{ "))
        if tall and int(tall[1]) > 1:
            row.tall[len(row.cells)] = min(int(tall[1]), _TALLEST)
        row.cells += [from_latex(part)] * max(1, width)
        if len(row.cells) > _MOST_CELLS:
            raise TableError(f"has more than {_MOST_CELLS} cells", number)
    row.is_title = len(parts) == 1 and len(row.cells) > 1
    return row


def _pieces(text: str, start: int, separator: str) -> list[tuple[int, int]]:
    r"""Spans of the text between separators that are in no braces: ``\\`` with its optional argument, or ``&``."""
    spans = []
    depth, first, position = 0, start, start
    while position < len(text):
        if text.startswith(separator, position) and depth == 0:
            spans.append((first, position))
            position += len(separator)
            if separator == "\\\\" and re.match(r"\*?\[[^\]\n]{0,20}\]", text[position : position + 24]):
                position = text.index("]", position) + 1
            first = position
            continue
        char = text[position]
        if char == "\\":
            position += 2
            continue
        depth += (char == "{") - (char == "}")
        position += 1
    if depth > 0:
        raise TableError("a { has no }", _line(text, first))
    return [*spans, (first, len(text))]


def _spread_down(rows: list[_Row]) -> None:
    """Repeat the cells of multirow in the empty cells below them."""
    for index, row in enumerate(rows):
        for column, height in row.tall.items():
            for below in rows[index + 1 : index + height]:
                if not below.is_title and column < len(below.cells) and not below.cells[column]:
                    below.cells[column] = row.cells[column]


def _with_one_header(rows: list[_Row]) -> list[Line]:
    for title, below in itertools.pairwise(rows):
        below.after_rule = below.after_rule or (title.is_title and title.after_rule)
    table = [row for row in rows if not row.is_title]
    if not table:
        return []
    end = next((index for index, row in enumerate(table) if index and row.after_rule), 1)
    width = max(len(row.cells) for row in table[:end])
    headings = []
    for column in range(width):
        parts = [row.cells[column] for row in table[:end] if column < len(row.cells)]
        headings.append(" ".join(dict.fromkeys(filter(None, parts))))
    top = Line(table[end - 1].number, tuple(headings))
    # By place and not by line: several rows may be on one line.
    first = next(at for at, row in enumerate(rows) if row is table[end - 1]) + 1
    return [top, *(Line(row.number, tuple(row.cells), row.is_title) for row in rows[first:])]
