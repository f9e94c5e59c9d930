"""A table before it is rendered: raw values for programs, and what readers see of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from bench.text.display import one_line

DASH = "–"
DAGGER, DOUBLE_DAGGER, SECTION = SYMBOLS = ("†", "‡", "§")

Rank = Literal["best", "second", ""]
"""Rank of a number in its group; empty where it is neither, or the intervals do not tell."""
Values = Mapping[Any, Any]
"""Raw values of one row by column; None or NA is unknown."""
Shown = list[list[tuple[str, tuple[str, ...]]]]
"""By row and column: text and marks."""


@dataclass(frozen=True, slots=True)
class Footnote:
    """What a mark in the table means; an empty mark is about the whole table."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column as readers see it.

    Attributes:
        name: key of its marks and ranks.
        header: in up to two lines.
        write: gives its text from the raw values of a row, nothing escaped.
        prose: the column holds words, not a number; it is aligned left and folded.
        optional: a narrow terminal leaves the column out.
    """

    name: str
    header: str
    write: Callable[[Values], str]
    prose: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What is rendered.

    Attributes:
        name: of its files, e.g. table3; a plain word.
        title: heading.
        caption: conditions of measurement.
        heads: headers of the names, which lead every row, by key of the rows.
        columns: columns that readers see after the names.
        rows: raw values; the keys of the first row are the columns of the csv file.
        footnotes: in the order in which they are printed.
        marks: by row and by name of the column.
        ranks: by row and by name of the column.
        styles: styles that a terminal shows cells in, by row and by name of the column; as rich reads them.
        grids: headings and columns of several grids, where one would be too wide; none: one grid of all columns.
        source: records that the table comes from; empty where not known.
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
        """Put each text on one line, without control characters; the renderers only escape."""
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
        """Headings and columns of its grids; of a table that is one grid, no heading and all its columns."""
        return self.grids or (("", self.columns),)

    def shown(self, columns: Sequence[Column] | None = None) -> Shown:
        """Text and marks of each cell, each text on one line: names and then the columns, nothing escaped."""
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
        """By row, for each name but the last: how many from here on share it, its marks and all names before it.

        It is 0 where a row above began the run.
        """
        rows = self.shown([])
        levels = [_lengths([tuple(row[: level + 1]) for row in rows]) for level in range(len(self.heads) - 1)]
        return [tuple(lengths[at] for lengths in levels) for at in range(len(rows))]


def _lengths(keys: Sequence[object]) -> list[int]:
    counts = [len(list(same)) for _, same in groupby(keys)]
    return [length for count in counts for length in (count, *[0] * (count - 1))]
