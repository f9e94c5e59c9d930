"""A table before it is rendered: raw values for programs, and their texts for readers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from bench.text.display import one_line

DASH = "–"
DAGGER, DOUBLE_DAGGER, SECTION = SYMBOLS = ("†", "‡", "§")

Rank = Literal["best", "second", ""]
"""Rank of a number in its group; empty if it is neither, or if the intervals overlap."""
Values = Mapping[Any, Any]
"""Raw values of one row by column; None or NA is unknown."""
Shown = list[list[tuple[str, tuple[str, ...]]]]
"""Text and marks, by row and column."""


@dataclass(frozen=True, slots=True)
class Footnote:
    """Meaning of a mark in the table; a footnote with an empty mark concerns the whole table."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column for readers.

    Attributes:
        name: key of its marks and ranks.
        header: header of one or two lines.
        write: function from the raw values of a row to its unescaped text.
        prose: whether the column holds words, which are aligned left and folded.
        optional: whether a narrow terminal leaves the column out.
    """

    name: str
    header: str
    write: Callable[[Values], str]
    prose: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table to render.

    Attributes:
        name: stem of its files, e.g. table3.
        title: heading.
        caption: conditions of measurement.
        heads: headers of the names that lead every row, by key of the rows.
        columns: columns after the names.
        rows: raw values; the keys of the first row are the columns of the csv file.
        footnotes: footnotes in the order of printing.
        marks: marks by row index and column name.
        ranks: ranks by row index and column name.
        styles: rich styles in a terminal, by row index and column name.
        grids: headings and columns of several grids, if one would be too wide; empty: one grid of all columns.
        source: records that the table comes from; empty if unknown.
    """

    name: str = "table"
    title: str
    caption: str = ""
    heads: Mapping[str, str]
    columns: tuple[Column, ...]
    rows: Sequence[Values]
    footnotes: tuple[Footnote, ...] = ()
    marks: Mapping[tuple[int, str], tuple[str, ...]] = field(default_factory=dict)
    ranks: Mapping[tuple[int, str], Rank] = field(default_factory=dict)
    styles: Mapping[tuple[int, str], str] = field(default_factory=dict)
    grids: tuple[tuple[str, tuple[Column, ...]], ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Put each text on one line without control characters, so that renderers only escape."""
        notes = tuple(Footnote(note.mark, one_line(note.text)) for note in self.footnotes)
        object.__setattr__(self, "footnotes", notes)
        for name in ("title", "caption", "source"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    @property
    def headers(self) -> tuple[str, ...]:
        """Headers of all columns, in up to two lines."""
        return (*self.heads.values(), *(column.header for column in self.columns))

    @property
    def required(self) -> tuple[Column, ...]:
        """The columns that a narrow terminal shows too."""
        return tuple(column for column in self.columns if not column.optional)

    @property
    def notes(self) -> list[Footnote]:
        """The footnotes, and the source as the last one."""
        return [*self.footnotes, *([Footnote("", f"Source: {self.source}")] if self.source else [])]

    def parts(self) -> tuple[tuple[str, tuple[Column, ...]], ...]:
        """Headings and columns of its grids; a single grid has no heading and all columns."""
        return self.grids or (("", self.columns),)

    def shown(self, columns: Sequence[Column] | None = None) -> Shown:
        """Text and marks of each cell, names first; each text is on one line and not escaped."""
        rows = []
        for at, row in enumerate(self.rows):
            texts = {name: row[name] for name in self.heads}
            texts |= {column.name: column.write(row) for column in (self.columns if columns is None else columns)}
            rows.append([(one_line(text), self.marks.get((at, name), ())) for name, text in texts.items()])
        return rows

    def ranked(self, columns: Sequence[Column] | None = None) -> list[list[Rank]]:
        """The rank of every cell, in the shape of ``shown``."""
        names = [*self.heads, *(column.name for column in (self.columns if columns is None else columns))]
        return [[self.ranks.get((at, name), "") for name in names] for at in range(len(self.rows))]

    def runs(self) -> list[tuple[int, ...]]:
        """By row, for each name but the last: the number of rows of the run of equal names that begins here.

        A run shares the name, its marks and all names before it. The number is 0 inside a run.
        """
        rows = self.shown([])
        levels = [_lengths([tuple(row[: level + 1]) for row in rows]) for level in range(len(self.heads) - 1)]
        return [tuple(lengths[at] for lengths in levels) for at in range(len(rows))]


def _lengths(keys: Sequence[object]) -> list[int]:
    counts = [len(list(same)) for _, same in groupby(keys)]
    return [length for count in counts for length in (count, *[0] * (count - 1))]
