"""Published tables in a report's archive: what of them stands beside its rows, every number as printed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from bench.errors import DataError, RunFolderError
from bench.record.record import SCHEMA_VERSION
from bench.record.run_folder import refuse_newer
from bench.report.published import Number, Published, PublishedRow, PublishedTable
from bench.report.published.manifest import Stated
from bench.report.published.number import read_number
from bench.report.published.quantities import COLUMNS
from bench.schema import Frozen
from bench.text.display import one_line
from bench.text.json_text import loads

PUBLISHED = "published.json"
#: Names that columns of published tables have.
NAMES = {column: name for name, column in COLUMNS.items()}

#: It may come from elsewhere, and goes into tables.
Line = Annotated[str, Field(max_length=2000), AfterValidator(one_line)]


class _Row(Frozen):
    line: int = Field(ge=1)
    printed: tuple[Line, Line, Line]
    named: tuple[Line, Line, Line]
    stated: Stated
    numbers: dict[str, str] = Field(description="texts as printed, by the name of their column")


class _Table(Frozen):
    name: Line
    title: Line
    rows: tuple[_Row, ...]


class _Published(Frozen):
    name: Line
    title: Line
    source: Line
    tables: tuple[_Table, ...]


class _File(Frozen):
    schema_version: int
    published: tuple[_Published, ...]


def dump(tables: Sequence[Published]) -> str:
    """The content of published.json, see ``published_rows.used`` for what belongs into it."""
    published = [
        {"name": one.name, "title": one.title, "source": one.source, "tables": list(map(_table, one.tables))}
        for one in tables
    ]
    return json.dumps({"schema_version": SCHEMA_VERSION, "published": published}, indent=1, allow_nan=False) + "\n"


def _table(table: PublishedTable) -> dict[str, Any]:
    rows = [
        {
            "line": row.line,
            "printed": row.printed,
            "named": row.named,
            "stated": row.stated.model_dump(mode="json"),
            "numbers": {NAMES[number.column]: number.text for number in row.numbers.values()},
        }
        for row in table.rows
    ]
    return {"name": table.name, "title": table.title, "rows": rows}


def parse(text: str, where: Path) -> tuple[Published, ...]:
    """The published tables of a published.json.

    Args:
        text: its content.
        where: it stands, for messages.

    Raises:
        RunFolderError: damaged, or of a newer schema.
    """
    try:
        content = loads(text)
        refuse_newer(content["schema_version"], where)
        return tuple(map(_published, _File.model_validate(content).published))
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError, DataError) as error:
        raise RunFolderError(f"{where} cannot be read: {type(error).__name__}") from None


def _published(found: _Published) -> Published:
    tables = tuple(
        PublishedTable(table.name, table.title, True, (), tuple(_row(row, table.name) for row in table.rows))
        for table in found.tables
    )
    return Published(found.name, found.title, found.source, None, tables)


def _row(row: _Row, table: str) -> PublishedRow:
    numbers: dict[str, Number] = {}
    for name, text in row.numbers.items():
        number = read_number(text, COLUMNS[name], name)
        if numbers.setdefault(number.column.quantity, number) is not number:
            raise ValueError("a quantity is printed twice")
    return PublishedRow(table, row.line, row.printed, row.named, (True, True, True), numbers, row.stated)
