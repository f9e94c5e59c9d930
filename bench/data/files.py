"""Rows of a dataset's files: jsonl, csv, tsv and parquet, the first three also packed with gzip."""

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

#: A text of a csv may be so long; Python's own limit is 128 KiB.
LONGEST_TEXT = 16 * 1024**2
#: A line holds one text, its escapes and its label; a longer one is no text but a file that unpacks to whatever fills
#: the memory.
LONGEST_LINE_BYTES = 2 * LONGEST_TEXT
#: Texts unpack to some five times their packed size, zeros to a thousand times; below so many bytes it is no matter.
MOST_UNPACKED, UNPACKED_BYTES = 200, 256 * 1024**2
#: What a row or a line counts besides its bytes, since it takes time and memory even where it is empty.
ROW_BYTES = 64
#: Rows of a Parquet file in memory at once, fewer where texts are long.
BATCH_ROWS = 64
#: Key of a Parquet file's metadata in which ``datasets`` declares the columns.
DECLARATION = b"huggingface"


def read_file(source: DatasetSource, path: Path) -> Iterator[Row]:
    """The rows of one file, in its order.

    Raises:
        DataError: it cannot be read, or a row is none; the message names file and line.
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
    """The class names that a parquet file declares for the label, as ``datasets`` writes them; None: it declares none.

    Raises:
        DataError: the file is no parquet, or its declaration cannot be read, by which labels would lose their names.
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
            f"dataset {source.name}: {path}: its metadata {DECLARATION.decode()}, which declare class names, are not "
            f"valid JSON: {error}; write the file anew"
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
    """The lines of a file; a packed one may unpack to more than any machine holds.

    Spreadsheets put a byte order mark at the start, which is no part of the first line.
    """
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
    """The fields of each record, and the line that it ends on."""
    reader = csv.reader((line.decode("utf-8") for line in lines), strict=True)
    try:
        with _long_fields():
            for fields in reader:
                yield reader.line_num, fields
    except csv.Error as error:
        raise DataError(f"dataset {source.name}: {path}: not valid CSV (line {reader.line_num}): {error}") from None


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let a field of a csv be as long as a text may be; the limit is one for the whole process."""
    before = csv.field_size_limit(LONGEST_TEXT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _tsv_records(lines: Iterator[bytes]) -> Iterator[tuple[int, list[str]]]:
    """The fields of each line: a tab always ends one, since most files of the kind quote nothing.

    A field that is quoted as a whole loses its quotes, as spreadsheets and pandas write it.
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
            read = _said_bytes(file.metadata, source.columns)
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
    """How many rows fit in memory at once: a value that the file stores once for many rows gets a copy in each.

    Raises:
        DataError: a value is longer than a text may be.
    """
    import pyarrow.parquet as pq

    longest = 1
    stored = [metadata.schema.column(at).path for at in _places(metadata, source.columns)]
    with pq.ParquetFile(path, read_dictionary=stored) as file:
        for group in range(metadata.num_row_groups):
            # The first row brings all values that its group stores so, each once.
            for batch in file.iter_batches(1, row_groups=[group], columns=list(source.columns)):
                longest = max([longest, *(_longest_bytes(source, path, column) for column in batch.columns)])
                break
    return max(1, min(BATCH_ROWS, UNPACKED_BYTES // longest))


def _longest_bytes(source: DatasetSource, path: Path, column: Any) -> int:
    """Of the values that a column stores once for many rows; of an extension's it is not known, so that it is high.

    Raises:
        DataError: one is longer than a text may be.
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
    """Whether no column that is read holds lists or tables, one row of which may unpack to anything.

    Raises:
        DataError: one does.
    """
    import pyarrow as pa

    for name in source.columns:
        kind = schema.field(name).type
        if pa.types.is_nested(getattr(kind, "storage_type", kind)):
            raise DataError(
                f"dataset {source.name}: {path}: column {name!r} must hold a text or a label in each row, got "
                f"{kind!s:.60}; set text and label in [datasets.{source.name}]"
            )


def _said_bytes(metadata: Any, columns: Sequence[str]) -> int:
    """How large the rows and the columns that are read become, as the file's own metadata states."""
    places = _places(metadata, columns)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    sizes = (int(group.column(at).total_uncompressed_size) for group in groups for at in places)
    return sum(sizes) + ROW_BYTES * int(metadata.num_rows)


def _places(metadata: Any, columns: Sequence[str]) -> list[int]:
    """Where the file stores these columns, of which one that is no plain one has several places."""
    schema = metadata.schema
    return [at for at in range(metadata.num_columns) if schema.column(at).path.partition(".")[0] in columns]


def _unpacked_limit(path: Path) -> int:
    return max(UNPACKED_BYTES, MOST_UNPACKED * path.stat().st_size)


def _require_unpacked(source: DatasetSource, path: Path, read: int, limit: int) -> None:
    """Whether a packed file unpacks to what texts do.

    Raises:
        DataError: it unpacks to more.
    """
    if read > limit:
        raise DataError(
            f"dataset {source.name}: {path}: unpacks to more than {MOST_UNPACKED} times its size, as no texts do; it "
            f"may unpack to {limit / 1e6:.0f} MB: give the texts in several files, or not packed"
        )
