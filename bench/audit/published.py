"""Published tables as they were printed: every number keeps its text, and with it its precision."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from bench.audit.quantities import COLUMNS, CONDITIONS, FRACTIONS, Column, why_unknown
from bench.errors import DataError, StudyError, UnknownNameError
from bench.report.statistics import one_line
from bench.study import Frozen, Slug, explain
from bench.toml_file import read_toml

PUBLISHED_FOLDER = Path(__file__).parents[2] / "reports" / "published"
MANIFEST = "published.toml"
NAMES = ("dataset", "model", "method")
NUMBER = re.compile(r"(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?", re.ASCII)


class Stated(Frozen):
    """Conditions that the publication states; absent where it does not."""

    sequence_length: int | None = Field(None, ge=1, le=10_000_000, description="tokens, virtual ones not counted")
    batch_size: int | None = Field(None, ge=1, description="sequences per optimizer step")
    precision_mode: str | None = Field(None, max_length=40, description="e.g. bf16, fp32")


class RowName(Frozen):
    """What a row of a table is called in the study."""

    model: str = Field(min_length=1, max_length=400)
    method: str = Field(min_length=1, max_length=400)


class TableEntry(Frozen):
    """One table of a publication."""

    file: str = Field(description="csv file beside this one")
    title: str = Field("", max_length=200)
    content: Literal["rows", "facts"] = Field("rows", description="facts: kept with the others, not audited")
    compare: bool = Field(True, description="list its numbers one by one; else they serve the findings alone")
    row_column: str | None = Field(None, description="column that names model and method in one; see rows")
    rows: dict[str, RowName] = Field(default_factory=dict, description="by the text in row_column")

    @field_validator("file")
    @classmethod
    def _beside(cls, file: str) -> str:
        if Path(file).name != file or not file.endswith(".csv") or not file.isprintable():
            raise ValueError("must be the name of a .csv file in the same folder")
        return file


class Manifest(Frozen):
    """A published.toml: what the csv files beside it are, and what their names stand for in a study."""

    title: str = Field(min_length=1, max_length=200)
    source: str = Field("", max_length=2000)
    study: str = Field(min_length=1, max_length=400, description="study whose plan is compared: a name or a path")
    stated: Stated = Stated()
    tables: dict[Slug, TableEntry] = Field(min_length=1)
    datasets: dict[str, str] = Field(default_factory=dict, description="printed name to study name")
    models: dict[str, str] = Field(default_factory=dict, description="printed name to study name")
    methods: dict[str, str] = Field(default_factory=dict, description="printed name to study name")


@dataclass(frozen=True, slots=True)
class Number:
    """One printed number.

    Attributes:
        text: as printed.
        column: its quantity and unit.
        value: in base units.
        resolution: of the last printed digit, in base units.
    """

    text: str
    column: Column
    value: Decimal
    resolution: Decimal

    @property
    def low(self) -> Decimal:
        """The least value that rounds to what is printed."""
        return self.value - self.resolution / 2

    @property
    def high(self) -> Decimal:
        """The greatest value that rounds to what is printed."""
        return self.value + self.resolution / 2

    def fits(self, value: Decimal | float) -> bool:
        """Whether a value in base units rounds to what is printed, halves up or to even."""
        return self.low <= Decimal(value) <= self.high

    def said(self) -> str:
        """The number with its unit."""
        return self.text if self.column.unit == "fraction" else f"{self.text} {self.column.unit}"


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
    """

    table: str
    line: int
    printed: tuple[str, str, str]
    named: tuple[str, str | None, str | None]
    mapped: tuple[bool, bool, bool]
    numbers: Mapping[str, Number]
    stated: Stated

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


def shipped() -> dict[str, Path]:
    """The published tables that come with a checkout, by name; none where tunebench was installed without them."""
    return {path.parent.name: path.parent for path in sorted(PUBLISHED_FOLDER.glob(f"*/{MANIFEST}"))}


def find(reference: str) -> Path:
    """Locate published tables: by path, by the name of a shipped folder, or by the name of the study they belong to.

    Raises:
        UnknownNameError: no such path and no shipped tables of that name.
        DataError: tables are asked for by name where none were installed.
    """
    known = shipped()
    if reference in known:
        return known[reference]
    path = Path(reference)
    if path.is_file() or (path / MANIFEST).is_file():
        return path
    for folder in known.values():
        if _read_manifest(folder / MANIFEST).study == reference:
            return folder
    if not known:
        raise DataError(
            f"published tables {reference!r}: no such path, and this installation has no shipped tables "
            "(they lie in reports/published of a checkout); give the path of a .csv file or of a folder with "
            f"{MANIFEST}"
        )
    raise UnknownNameError(
        "published table", reference, known, f"or give the path of a .csv file or of a folder with {MANIFEST}"
    )


def load(path: Path, mapping: Path | None = None) -> Published:
    """Read published tables.

    Args:
        path: a csv file, a folder with published.toml, or that file.
        mapping: for a csv file, a toml file with the tables datasets, models, methods and stated of a published.toml.

    Raises:
        DataError: a csv file cannot be read or breaks a rule; the message names file, line, column, rule and value.
        StudyError: the toml file cannot be read or breaks a rule, or a mapping is given beside one.
    """
    if path.is_dir():
        path = path / MANIFEST
    if path.suffix == ".toml":
        if mapping is not None:
            raise StudyError(f"{path}: has its own names; a mapping goes with a .csv file alone")
        manifest, name = _read_manifest(path), path.parent.resolve().name
    else:
        content: dict[str, Any] = {"title": path.stem, "study": "-", "tables": {"table": {"file": "table.csv"}}}
        if mapping is not None:
            given = read_toml(mapping)
            wrong = [key for key in given if key not in ("datasets", "models", "methods", "stated")]
            if wrong:
                raise StudyError(f"{mapping}: {wrong[0]}: unknown key; known: datasets, models, methods, stated")
            content |= given
        manifest, name = _validated(content, mapping or path), path.stem
        return Published(name, one_line(path.stem, 200), "", None, (_read_table("table", path, manifest),))
    tables = tuple(
        _read_table(key, path.parent / entry.file, manifest)
        for key, entry in manifest.tables.items()
        if entry.content == "rows"
    )
    if not any(table.compare for table in tables):
        raise StudyError(f'{path}: no table is compared; one must have content = "rows" and compare = true')
    return Published(name, one_line(manifest.title), one_line(manifest.source), manifest.study, tables)


def _read_manifest(path: Path) -> Manifest:
    return _validated(read_toml(path), path)


def _validated(content: dict[str, Any], path: Path) -> Manifest:
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise StudyError(explain(error, str(path), Manifest)) from None


def _read_table(name: str, path: Path, manifest: Manifest) -> PublishedTable:
    entry = manifest.tables[name]
    lines = _lines(path)
    if not lines:
        raise DataError(f"{path}: empty; its first line must name the columns, e.g. dataset,model,method,f1")
    header = [cell.strip().lower() for cell in lines[0][1]]
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
            raise DataError(f"{path} line {line}: the row {row.label!r} stands already on line {seen[key]}; keep one")
        seen[key] = line
        rows.append(row)
    columns = tuple(COLUMNS[column] for column in header if column in COLUMNS)
    return PublishedTable(name, one_line(entry.title) or name, entry.compare, columns, tuple(rows))


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
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: not valid csv: {error}") from None


def _check_header(header: Sequence[str], path: Path, entry: TableEntry) -> None:
    names = ("dataset", entry.row_column.lower()) if entry.row_column else NAMES
    for column in names:
        if column not in header:
            raise DataError(
                f"{path} line 1: must have the columns {', '.join(names)}, got no {column} (columns: "
                f"{', '.join(one_line(cell, 40) for cell in header)})"
            )
    found: dict[str, str] = {}
    for column in header:
        quantity = COLUMNS[column].quantity if column in COLUMNS else column
        if column not in (*names, *COLUMNS, *CONDITIONS):
            rule = why_unknown(one_line(column, 60), names) if column else "a column without a name"
            raise DataError(f"{path} line 1, column {one_line(column, 60)!r}: {rule}")
        if quantity in found:
            raise DataError(f"{path} line 1, column {column!r}: says the same as column {found[quantity]!r}; keep one")
        found[quantity] = column
    if not any(column in COLUMNS for column in header):
        raise DataError(f"{path} line 1: no column of numbers; known: {', '.join(COLUMNS)}")


def _read_row(table: str, path: Path, line: int, cells: Mapping[str, str], manifest: Manifest) -> PublishedRow:
    entry = manifest.tables[table]
    where = f"{path} line {line}"
    columns = ("dataset", entry.row_column.lower()) if entry.row_column else NAMES
    texts = [one_line(cells[column], 120) for column in columns]
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
        COLUMNS[column].quantity: _number(text.strip(), COLUMNS[column], f"{where}, column {column}")
        for column, text in cells.items()
        if column in COLUMNS and text.strip()
    }
    given = {column: cells[column].strip() for column in CONDITIONS if cells.get(column, "").strip()}
    try:
        stated = Stated.model_validate(manifest.stated.model_dump() | given)
    except ValidationError as error:
        raise DataError(explain(error, where, Stated)) from None
    return PublishedRow(
        table, line, (dataset, model, method), (named[0] or dataset, named[1], named[2]),
        (mapped[0], mapped[1], mapped[2]), numbers, stated,
    )  # fmt: skip


def _mapped(text: str, names: Mapping[str, str]) -> str | None:
    return next((name for printed, name in names.items() if normalised(printed) == normalised(text)), None)


def _number(text: str, column: Column, where: str) -> Number:
    got = f"got {one_line(text, 40)!r}"
    if not NUMBER.fullmatch(text):
        if re.fullmatch(r"[+-]?(nan|inf|infinity)", text, re.IGNORECASE):
            raise DataError(f"{where}: must be finite, {got}; leave the cell empty where nothing is printed")
        if text[:1] in "-−" and NUMBER.fullmatch(text[1:]):
            raise DataError(f"{where}: must be at least 0, {got}")
        raise DataError(
            f"{where}: must be a number such as 45.90 without separators or unit, {got}; "
            "leave the cell empty where nothing is printed"
        )
    printed = Decimal(text)
    exponent = int(printed.as_tuple().exponent)
    number = Number(text, column, printed * column.factor, Decimal(1).scaleb(exponent) * column.factor)
    if column.quantity in FRACTIONS and number.value > 1:
        other = "" if column.unit == "%" else f"; percentages go into the column {column.quantity}_percent"
        raise DataError(f"{where}: must be at most {1 / column.factor:f}, {got}{other}")
    return number
