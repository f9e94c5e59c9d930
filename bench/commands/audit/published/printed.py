"""Published tables as printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bench.commands.audit.published.manifest import Stated
from bench.commands.audit.published.number import Number
from bench.commands.audit.published.quantities import PrintedColumn


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row as printed.

    Attributes:
        table: key of its table.
        line: line in the file, from 1.
        printed: dataset, model and method as printed; method is empty if model names both.
        named: dataset, model and method as mapped; None if a mapping of rows leaves the row out.
        mapped: which of the three come from a mapping and must therefore equal a name of the study.
        numbers: printed numbers by quantity.
        stated: stated conditions.
        inferred: whether the conditions that are not stated were inferred from the numbers, as the study has them.
    """

    table: str
    line: int
    printed: tuple[str, str, str]
    named: tuple[str, str | None, str | None]
    mapped: tuple[bool, bool, bool]
    numbers: Mapping[str, Number]
    stated: Stated
    inferred: bool = False

    @property
    def label(self) -> str:
        """The row's names in one phrase."""
        return ", ".join(name for name in self.printed if name)


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One table as printed.

    Attributes:
        name: key of the table.
        title: for readers.
        compare: whether its numbers are listed one by one.
        columns: columns of numbers, in the order of the file.
        rows: rows in the order of the file.
        notes: one sentence for each column that is not read.
    """

    name: str
    title: str
    compare: bool
    columns: tuple[PrintedColumn, ...]
    rows: tuple[PublishedRow, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """The tables of a publication.

    Attributes:
        name: name of its folder or file.
        title: for readers.
        source: origin of the printed numbers.
        study: study whose plan is compared; None for a single table.
        tables: tables that consist of rows.
        notes: what the publication states about its numbers, and what a reader must know of them.
    """

    name: str
    title: str
    source: str
    study: str | None
    tables: tuple[PublishedTable, ...]
    notes: tuple[str, ...] = ()


def normalised(name: str) -> str:
    """A name without case, spaces, dashes, underscores and dots."""
    return re.sub(r"[\s\-_.\u2010-\u2014]", "", name).casefold()
