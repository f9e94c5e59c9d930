"""Published tables as they were printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bench.commands.audit.published.manifest import Stated
from bench.commands.audit.published.number import Number
from bench.commands.audit.published.quantities import Column


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row as printed.

    Attributes:
        table: key of its table.
        line: in the file, from 1.
        printed: dataset, model and method as printed; method is empty where model names both.
        named: the same as the mapping calls them; None where a mapping of rows leaves the row out.
        mapped: which of the three a mapping named, and a study must therefore know exactly.
        numbers: by quantity; what is not printed is absent.
        stated: conditions.
        inferred: conditions that are not stated were worked out from the numbers, and are those of the study.
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
        name: its key.
        title: for readers.
        compare: its numbers are listed one by one.
        columns: of numbers, in the order of the file.
        rows: in the order of the file.
    """

    name: str
    title: str
    compare: bool
    columns: tuple[Column, ...]
    rows: tuple[PublishedRow, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A publication's tables.

    Attributes:
        name: of its folder or file.
        title: for readers.
        source: where the figures are from.
        study: whose plan is compared; None for a table alone.
        tables: those made of rows.
    """

    name: str
    title: str
    source: str
    study: str | None
    tables: tuple[PublishedTable, ...]


def normalised(name: str) -> str:
    """A name without case, spaces, dashes, underscores and dots."""
    return re.sub(r"[\s\-_.\u2010-\u2014]", "", name).casefold()
