"""A printed table in a file, read and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bench.commands.audit.published.grid import Grid, read_grid
from bench.commands.audit.published.heading import Heading, as_percent, read_heading
from bench.commands.audit.published.lines import Line
from bench.commands.audit.published.manifest import Manifest, Stated, TableEntry
from bench.commands.audit.published.number import Number, is_nothing, read_number
from bench.commands.audit.published.printed import PublishedRow, PublishedTable, normalised
from bench.commands.audit.published.quantities import COLUMNS, CORRELATIONS, FRACTIONS
from bench.errors import DataError
from bench.schema import explain
from bench.text.message import listed

NAMES = ("dataset", "model", "method")


@dataclass(frozen=True, slots=True)
class _Context:
    """What every row of one table needs."""

    name: str
    path: Path
    entry: TableEntry
    manifest: Manifest
    headings: tuple[Heading, ...]
    row_column: str

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that name the row."""
        return ("dataset", self.row_column) if self.row_column else NAMES


def read_table(name: str, path: Path, manifest: Manifest) -> PublishedTable:
    """Read a table.

    Args:
        name: key of the table in the manifest.
        path: path of the .csv, .md or .tex file.
        manifest: manifest that maps its names to those of the study.

    Raises:
        DataError: it cannot be read or breaks a rule; the message names file, line, column, rule and value.
    """
    entry = manifest.tables[name]
    grid = read_grid(path)
    headings, notes = _headings(grid, path, entry)
    context = _Context(name, path, entry, manifest, headings, entry.row_column.lower() if entry.row_column else "")
    rows: list[PublishedRow] = []
    seen: dict[tuple[str, ...], int] = {}
    for line in grid.rows:
        row = _read_row(context, line)
        key = tuple(map(normalised, row.printed))
        if key in seen:
            raise DataError(
                f"{path} line {line.number}: the row {row.label!r} is already on line {seen[key]}; keep one"
            )
        seen[key] = line.number
        rows.append(row)
    columns = tuple(heading.column for heading in headings if heading.column)
    return PublishedTable(name, entry.title or name, entry.compare, columns, tuple(rows), notes)


def _headings(grid: Grid, path: Path, entry: TableEntry) -> tuple[tuple[Heading, ...], tuple[str, ...]]:
    """The meaning of each column, and one sentence for each column that is not read."""
    where = f"{path} line {grid.header_line}"
    mapped = {normalised(text): name for text, name in entry.columns.items()}
    names = ("dataset", entry.row_column.lower()) if entry.row_column else NAMES
    headings: list[Heading] = []
    found: dict[str, str] = {}
    for text in grid.header:
        heading = (
            Heading(text, text.lower()) if text.lower() in names else read_heading(text, mapped.get(normalised(text)))
        )
        if heading.key and heading.key in found:
            reason = f"says the same as column {found[heading.key]!r}"
            if heading.exact:
                raise DataError(f"{where}, column {text!r}: {reason}; keep one")
            heading = Heading(text, left_out=reason)
        if heading.key:
            found[heading.key] = text
        headings.append(heading)
    for name in names:
        if name not in found and name not in entry.same:
            raise DataError(
                f"{where}: must have the columns {', '.join(names)}, got no {name} (columns: {listed(grid.header)})"
            )
    if not any(heading.column for heading in headings):
        raise DataError(f"{where}: no column of numbers; known: {', '.join(COLUMNS)}")
    read = tuple(_in_percent(heading, grid, at) for at, heading in enumerate(headings))
    reasons: dict[str, list[str]] = {}
    for heading in read:
        if heading.left_out:
            reasons.setdefault(heading.left_out, []).append(repr(heading.text))
    titles = [f"{path.name} line {line.number}: left out the title {line.cells[0]!r}" for line in grid.titles]
    return read, (*titles, *(
        f"{path.name} line {grid.header_line}: left out {', '.join(texts)}: {reason}"
        for reason, texts in reasons.items()
    ))  # fmt: skip


def _in_percent(heading: Heading, grid: Grid, at: int) -> Heading:
    """A column of fractions as one of percentages if its heading is a printed one and a number in it exceeds 1."""
    column = heading.column
    if heading.exact or column is None or column.quantity not in (*FRACTIONS, *CORRELATIONS) or column.unit == "%":
        return heading
    percent = as_percent(heading)
    for row in grid.rows:
        text = row.cells[at]
        if is_nothing(text) or text.rstrip().endswith("%") or percent.column is None:
            continue
        try:
            number = read_number(text, percent.column, "")
        except DataError:
            continue  # reported with its line when the row is read
        if number.value * 100 > 1:
            return percent
    return heading


def _read_row(context: _Context, line: Line) -> PublishedRow:
    entry, manifest = context.entry, context.manifest
    where = f"{context.path} line {line.number}"
    cells = {str(name): text for name, text in entry.same.items()}
    for heading, text in zip(context.headings, line.cells, strict=True):
        if heading.name:
            cells[heading.name] = text
    texts = [cells[column] for column in context.names]
    for column, text in zip(context.names, texts, strict=True):
        if not text:
            raise DataError(f"{where}, column {column}: must name a {column}, got nothing")
    dataset, model, method = (*texts, "")[:3]
    named: list[str | None] = [_mapped(dataset, manifest.datasets)]
    if context.row_column:
        row = next((name for text, name in entry.rows.items() if normalised(text) == normalised(model)), None)
        named += [row.model, row.method] if row else [None, None]
    else:
        named += [_mapped(model, manifest.models), _mapped(method, manifest.methods)]
    mapped = [name is not None for name in named]
    if not context.row_column:
        named = [name or text for name, text in zip(named, (dataset, model, method), strict=True)]
    return PublishedRow(
        context.name, line.number, (dataset, model, method), (named[0] or dataset, named[1], named[2]),
        (mapped[0], mapped[1], mapped[2]), _numbers(context.headings, line.cells, where),
        _stated(manifest, cells, where), any(normalised(model) == normalised(each) for each in manifest.inferred),
    )  # fmt: skip


def _numbers(headings: Sequence[Heading], cells: Sequence[str], where: str) -> dict[str, Number]:
    return {
        heading.column.quantity: read_number(text, heading.column, f"{where}, column {heading.text}")
        for heading, text in zip(headings, cells, strict=True)
        if heading.column and not is_nothing(text)
    }


def _stated(manifest: Manifest, cells: Mapping[str, str], where: str) -> Stated:
    given = {name: cells[name] for name in Stated.model_fields if cells.get(name)}
    try:
        return Stated.model_validate(manifest.stated.model_dump() | given)
    except ValidationError as error:
        raise DataError(explain(error, where, Stated)) from None


def _mapped(text: str, names: Mapping[str, str]) -> str | None:
    return next((name for printed, name in names.items() if normalised(printed) == normalised(text)), None)
