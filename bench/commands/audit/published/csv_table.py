"""A printed table in a csv file, read and checked."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from bench.commands.audit.published.manifest import Manifest, Stated, TableEntry
from bench.commands.audit.published.number import read_number
from bench.commands.audit.published.printed import PublishedRow, PublishedTable, normalised
from bench.commands.audit.published.quantities import COLUMNS, CONDITIONS, why_unknown
from bench.errors import DataError
from bench.schema import explain
from bench.text.display import one_line
from bench.text.message import listed

NAMES = ("dataset", "model", "method")
#: Maximum characters of a cell.
LONGEST_CELL = 120


def read_table(name: str, path: Path, manifest: Manifest) -> PublishedTable:
    """Read the table of a csv file.

    Args:
        name: key of the table in the manifest.
        path: path of the csv file.
        manifest: manifest that maps its names to those of the study.

    Raises:
        DataError: it cannot be read or breaks a rule; the message names file, line, column, rule and value.
    """
    entry = manifest.tables[name]
    lines = _lines(path)
    if not lines:
        raise DataError(f"{path}: empty; its first line must name the columns, e.g. dataset,model,method,f1")
    header = [cell.lower() for cell in lines[0][1]]
    _check_header(header, path, entry)
    if len(lines) == 1:
        raise DataError(f"{path}: no rows below the line of column names")
    rows: list[PublishedRow] = []
    seen: dict[tuple[str, ...], int] = {}
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(
                f"{path} line {line}: must have {len(header)} cells as the first line has, got {len(cells)}"
            )
        row = _read_row(name, path, line, dict(zip(header, cells, strict=True)), manifest)
        key = tuple(map(normalised, row.printed))
        if key in seen:
            raise DataError(f"{path} line {line}: the row {row.label!r} is already on line {seen[key]}; keep one")
        seen[key] = line
        rows.append(row)
    columns = tuple(COLUMNS[column] for column in header if column in COLUMNS)
    return PublishedTable(name, entry.title or name, entry.compare, columns, tuple(rows))


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, [one_line(cell, LONGEST_CELL) for cell in cells]) for cells in reader]
        return [(number, cells) for number, cells in lines if any(cells)]
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: not valid csv: {error}") from None


def _check_header(header: Sequence[str], path: Path, entry: TableEntry) -> None:
    names = ("dataset", entry.row_column.lower()) if entry.row_column else NAMES
    for column in names:
        if column not in header:
            raise DataError(
                f"{path} line 1: must have the columns {', '.join(names)}, got no {column} (columns: {listed(header)})"
            )
    found: dict[str, str] = {}
    for column in header:
        quantity = COLUMNS[column].quantity if column in COLUMNS else column
        if column not in (*names, *COLUMNS, *CONDITIONS):
            rule = why_unknown(column, names) if column else "a column without a name"
            raise DataError(f"{path} line 1, column {column!r}: {rule}")
        if quantity in found:
            raise DataError(f"{path} line 1, column {column!r}: says the same as column {found[quantity]!r}; keep one")
        found[quantity] = column
    if not any(column in COLUMNS for column in header):
        raise DataError(f"{path} line 1: no column of numbers; known: {', '.join(COLUMNS)}")


def _read_row(table: str, path: Path, line: int, cells: Mapping[str, str], manifest: Manifest) -> PublishedRow:
    entry = manifest.tables[table]
    where = f"{path} line {line}"
    columns = ("dataset", entry.row_column.lower()) if entry.row_column else NAMES
    texts = [cells[column] for column in columns]
    for column, text in zip(columns, texts, strict=True):
        if not text:
            raise DataError(f"{where}, column {column}: must name a {column}, got nothing")
    dataset, model, method = (*texts, "")[:3]
    named: list[str | None] = [_mapped(dataset, manifest.datasets)]
    if entry.row_column:
        row = next((name for text, name in entry.rows.items() if normalised(text) == normalised(model)), None)
        named += [row.model, row.method] if row else [None, None]
    else:
        named += [_mapped(model, manifest.models), _mapped(method, manifest.methods)]
    mapped = [name is not None for name in named]
    if not entry.row_column:
        named = [name or text for name, text in zip(named, (dataset, model, method), strict=True)]
    numbers = {
        COLUMNS[column].quantity: read_number(text, COLUMNS[column], f"{where}, column {column}")
        for column, text in cells.items()
        if column in COLUMNS and text
    }
    given = {column: cells[column] for column in CONDITIONS if cells.get(column)}
    try:
        stated = Stated.model_validate(manifest.stated.model_dump() | given)
    except ValidationError as error:
        raise DataError(explain(error, where, Stated)) from None
    return PublishedRow(
        table, line, (dataset, model, method), (named[0] or dataset, named[1], named[2]),
        (mapped[0], mapped[1], mapped[2]), numbers, stated,
        any(normalised(model) == normalised(each) for each in manifest.inferred),
    )  # fmt: skip


def _mapped(text: str, names: Mapping[str, str]) -> str | None:
    return next((name for printed, name in names.items() if normalised(printed) == normalised(text)), None)
