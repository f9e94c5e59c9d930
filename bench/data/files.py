"""Rows of dataset files: jsonl, csv and tsv, each optionally gzipped, and parquet."""

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from bench.data.rows import Row, names_of_indices, require_columns, row_of
from bench.errors import DataError
from bench.study.datasets import DatasetSource
from bench.text.json_text import loads
from bench.text.message import listed

#: Maximum characters of a text; Python's default limit for a csv field is 128 KiB.
LONGEST_TEXT = 16 * 1024**2
#: A line holds one text with its escapes and its label; a longer line comes from a file that unpacks into all memory.
LONGEST_LINE_BYTES = 2 * LONGEST_TEXT
#: Texts unpack to about 5 times their packed size, zeros to 1,000 times. Up to ``UNPACKED_BYTES`` are always allowed.
MOST_UNPACKED, UNPACKED_BYTES = 200, 256 * 1024**2
#: Bytes counted for each row or line on top of its content, since even an empty one takes time and memory.
ROW_BYTES = 64
#: Rows of a Parquet file in memory at once; fewer if texts are long.
BATCH_ROWS = 64
#: Key of the Parquet metadata in which ``datasets`` declares the columns.
DECLARATION = b"huggingface"


def read_file(source: DatasetSource, path: Path) -> Iterator[Row]:
    """Rows of one file, in file order.

    Raises:
        DataError: the file cannot be read or a row is malformed; the message names file and line.
    """
    unpacked = path.with_suffix("") if path.suffix == ".gz" else path
    try:
        if unpacked.suffix == ".parquet":
            yield from _read_parquet(source, path)
            return
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as handle:
            lines = _lines(source, path, cast(IO[bytes], handle))
            if unpacked.suffix == ".jsonl":
                yield from _read_jsonl(source, path, lines)
            else:
                records = _tsv_records(lines) if unpacked.suffix == ".tsv" else _csv_records(source, path, lines)
                yield from _read_table(source, path, records)
    except UnicodeDecodeError as error:
        raise DataError(f"dataset {source.name}: {path}: not UTF-8 text (byte {error.start} of a line)") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"dataset {source.name}: {path}: corrupt or cut short: {error}") from None
    except OSError as error:
        raise DataError(f"dataset {source.name}: {path} cannot be read: {error}") from None


def class_names(source: DatasetSource, path: Path) -> tuple[str, ...] | None:
    """Class names that a Parquet file written by ``datasets`` declares for the label column; None if it declares none.

    Raises:
        DataError: the file is not Parquet, or its declaration cannot be read, so that labels would lose their names.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        content: Any = loads(metadata[DECLARATION]) if DECLARATION in metadata else None
    except pa.ArrowException as error:
        raise DataError(f"dataset {source.name}: {path}: not valid Parquet: {str(error)[:1000]}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"dataset {source.name}: {path}: its metadata entry {DECLARATION.decode()}, which declares class names, is "
            f"not valid JSON: {error}; write the file again"
        ) from None
    try:
        feature = content["info"]["features"][source.label_column]
        names = feature["names"] if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)


def _lines(source: DatasetSource, path: Path, handle: IO[bytes]) -> Iterator[bytes]:
    """Lines of a file without a byte order mark, up to the limit of what a packed file may unpack to."""
    limit, read = _unpacked_limit(path), 0
    while line := handle.readline(LONGEST_LINE_BYTES + 1):
        read += len(line) + ROW_BYTES
        if len(line) > LONGEST_LINE_BYTES:
            raise DataError(
                f"dataset {source.name}: {path}: a line must have at most {LONGEST_LINE_BYTES} bytes; this one has more"
            )
        _require_unpacked(source, path, read, limit)
        yield line.removeprefix(codecs.BOM_UTF8)


def _read_jsonl(source: DatasetSource, path: Path, lines: Iterator[bytes]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        place = f"{path}: line {number}"
        if not line.strip():
            continue
        try:
            row = loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            raise DataError(f"dataset {source.name}: {place}: not UTF-8 text") from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"dataset {source.name}: {place}: not valid JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"dataset {source.name}: {place}: must be a JSON object, got {type(row).__name__}")
        yield row_of(source, row, place)


def _csv_records(source: DatasetSource, path: Path, lines: Iterator[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Line on which each record ends, and its fields."""
    reader = csv.reader((line.decode("utf-8") for line in lines), strict=True)
    try:
        with _long_fields():
            for fields in reader:
                yield reader.line_num, fields
    except csv.Error as error:
        raise DataError(f"dataset {source.name}: {path}: not valid CSV (line {reader.line_num}): {error}") from None


@contextmanager
def _long_fields() -> Iterator[None]:
    """Raise csv's field limit, which is global to the process, to ``LONGEST_TEXT``."""
    before = csv.field_size_limit(LONGEST_TEXT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _tsv_records(lines: Iterator[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line. Every tab separates fields, since most tsv files quote nothing.

    A field that is quoted as a whole loses its quotes, because spreadsheets and pandas write such fields.
    """
    for number, line in enumerate(lines, start=1):
        text = line.decode("utf-8").rstrip("\r\n")
        yield number, [_unquoted(field) for field in text.split("\t")] if text else []


def _unquoted(field: str) -> str:
    inner = field[1:-1]
    if len(field) < 2 or field[0] != '"' or field[-1] != '"' or '"' in inner.replace('""', ""):
        return field
    return inner.replace('""', '"')


def _read_table(source: DatasetSource, path: Path, records: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    header: list[str] = []
    for number, fields in records:
        place = f"{path}: line {number}"
        if not fields:  # an empty line
            continue
        if not header:
            header = [name.strip() for name in fields]
            require_columns(source, header, place)
        elif len(fields) == len(header):
            yield row_of(source, dict(zip(header, fields, strict=True)), place)
        else:
            raise DataError(
                f"dataset {source.name}: {place}: a row must have the {len(header)} fields of the header "
                f"({listed(header)}), got {len(fields)}; {_way_out(path)}"
            )


def _way_out(path: Path) -> str:
    if ".tsv" in path.suffixes:
        return "a text may hold neither a tab nor a line break: replace them, or write the file as .csv"
    return "put a text that holds a comma between double quotes"


def _read_parquet(source: DatasetSource, path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    limit, number = _unpacked_limit(path), 0
    try:
        with pq.ParquetFile(path) as file:
            require_columns(source, file.schema_arrow.names, str(path))
            _require_single_values(source, path, file.schema_arrow)
            read = _stated_bytes(file.metadata, source.columns)
            _require_unpacked(source, path, read, limit)
            names, read = names_of_indices(source, class_names(source, path)), 0
            rows = _batch_rows(source, path, file.metadata)
            for batch in file.iter_batches(rows, columns=list(source.columns)):
                # The sizes that the file states need not be true, and equal texts are stored once.
                read += batch.nbytes + ROW_BYTES * len(batch)
                _require_unpacked(source, path, read, limit)
                for row in batch.to_pylist():
                    number += 1
                    yield row_of(source, row, f"{path}: row {number}", names)
    except MemoryError:
        raise
    except pa.ArrowException as error:
        raise DataError(f"dataset {source.name}: {path}: not valid Parquet: {str(error)[:1000]}") from None


def _batch_rows(source: DatasetSource, path: Path, metadata: Any) -> int:
    """Number of rows that fit in memory at once: a value that the file stores once for many rows is copied into each.

    Raises:
        DataError: a value is longer than a text may be.
    """
    import pyarrow.parquet as pq

    longest = 1
    stored = [metadata.schema.column(at).path for at in _column_indices(metadata, source.columns)]
    with pq.ParquetFile(path, read_dictionary=stored) as file:
        for group in range(metadata.num_row_groups):
            # Reading one row loads the whole dictionary of its group.
            for batch in file.iter_batches(1, row_groups=[group], columns=list(source.columns)):
                longest = max([longest, *(_longest_bytes(source, path, column) for column in batch.columns)])
                break
    return max(1, min(BATCH_ROWS, UNPACKED_BYTES // longest))


def _longest_bytes(source: DatasetSource, path: Path, column: Any) -> int:
    """Length of a column's longest dictionary value; an upper bound for an extension type, whose values are unknown.

    Raises:
        DataError: a value is longer than a text may be.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return UNPACKED_BYTES if isinstance(column.type, pa.BaseExtensionType) else 0
    values = column.dictionary
    longest = pc.max(pc.binary_length(values)).as_py() or 0
    if longest > LONGEST_TEXT and pa.types.is_string(values.type):
        characters = pc.max(pc.utf8_length(values)).as_py()
        if characters > LONGEST_TEXT:
            raise DataError(
                f"dataset {source.name}: {path}: a text must have at most {LONGEST_TEXT} characters, got {characters}"
            )
    return int(longest)


def _require_single_values(source: DatasetSource, path: Path, schema: Any) -> None:
    """Require that the columns to read hold no lists or structs, one row of which may unpack to any size.

    Raises:
        DataError: a column holds lists or structs.
    """
    import pyarrow as pa

    for name in source.columns:
        kind = schema.field(name).type
        if pa.types.is_nested(getattr(kind, "storage_type", kind)):
            raise DataError(
                f"dataset {source.name}: {path}: column {name!r} must hold a text or a label in each row, got "
                f"{kind!s:.60}; set text and label in [datasets.{source.name}]"
            )


def _stated_bytes(metadata: Any, columns: Sequence[str]) -> int:
    """Uncompressed size of the columns to read, as stated by the file's metadata."""
    places = _column_indices(metadata, columns)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    sizes = (int(group.column(at).total_uncompressed_size) for group in groups for at in places)
    return sum(sizes) + ROW_BYTES * int(metadata.num_rows)


def _column_indices(metadata: Any, columns: Sequence[str]) -> list[int]:
    """Indices under which the file stores these columns; a nested column has several."""
    schema = metadata.schema
    return [at for at in range(metadata.num_columns) if schema.column(at).path.partition(".")[0] in columns]


def _unpacked_limit(path: Path) -> int:
    return max(UNPACKED_BYTES, MOST_UNPACKED * path.stat().st_size)


def _require_unpacked(source: DatasetSource, path: Path, read: int, limit: int) -> None:
    """Refuse a packed file that unpacks to far more than texts do.

    Raises:
        DataError: the file exceeds the limit.
    """
    if read > limit:
        raise DataError(
            f"dataset {source.name}: {path}: unpacks to more than {MOST_UNPACKED} times its size, as no texts do; its "
            f"limit is {limit / 1e6:.0f} MB: split the texts over several files, or do not pack them"
        )
