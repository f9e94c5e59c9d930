"""A dataset by name: texts and labels by split, checked."""

import codecs
import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from bench import access
from bench.data import profile
from bench.data.synthetic import TASKS, generate
from bench.datasheet import length_profiles, profile_dataset
from bench.errors import DataError
from bench.sources import SPLITS, DatasetSource, folder_fingerprint
from bench.study import DataSettings

#: A line holds one text; a longer one is no text but a file that unpacks to whatever fills the memory.
LONGEST_LINE_BYTES = 16 * 1024**2
#: Texts unpack to some five times their packed size, zeros to a thousand times; below so many bytes it is no matter.
MOST_UNPACKED, UNPACKED_BYTES = 200, 256 * 1024**2

Row = tuple[str, Any, str]
"""A text, its label as found, and where it was found."""


@dataclass(frozen=True, slots=True)
class Split:
    """One split.

    Attributes:
        ids: where each text comes from, stable across runs, e.g. ``test/12``.
        texts: the texts.
        labels: class index of each text.
    """

    ids: list[str]
    texts: list[str]
    labels: list[int]

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> "Split":
        """The texts at these indices, in this order."""
        return Split(
            [self.ids[i] for i in indices], [self.texts[i] for i in indices], [self.labels[i] for i in indices]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset, ready to be tokenised.

    Attributes:
        labels: class names by index.
        splits: train, validation and test.
        validation_carved: validation was taken from train.
        sha256: over every text and label.
    """

    labels: tuple[str, ...]
    splits: Mapping[str, Split]
    validation_carved: bool
    sha256: str


def load(source: DatasetSource, settings: DataSettings) -> Dataset:
    """Read, check and, where asked, subsample a dataset.

    Raises:
        DataError: it cannot be reached or a row breaks a rule; the message names the file and line.
    """
    rows = _read(source)
    labels = source.labels or _infer_labels(source, rows["train"])
    splits = {split: _checked(source, split, found, labels) for split, found in rows.items()}
    carved = "validation" not in splits
    rng = np.random.default_rng(settings.split_seed)
    if carved:
        splits["train"], splits["validation"] = _carve(source, splits["train"], settings.validation_fraction, rng)
    limits = {"train": settings.max_train_samples}
    for split in SPLITS:
        limit = limits.get(split, settings.max_evaluation_samples)
        if limit is not None and limit < len(splits[split]):
            splits[split] = splits[split].take(_stratified(splits[split].labels, limit, rng))
    return Dataset(
        labels=tuple(labels),
        splits={split: splits[split] for split in SPLITS},
        validation_carved=carved,
        sha256=_content_sha256(splits),
    )


def _read(source: DatasetSource) -> dict[str, list[Row]]:
    if source.kind == "synthetic":
        task = TASKS[source.name]
        generated = {split: generate(task, cast(Any, split)) for split in SPLITS}
        return {
            split: [(text, label, split) for text, label in zip(*pair, strict=True)]
            for split, pair in generated.items()
        }
    if source.kind == "profile":
        return _read_profile(source)
    if source.kind == "folder":
        found = folder_fingerprint(source.name, source.files, source.text_column, source.label_column)
        if found != source.fingerprint:
            raise DataError(f"dataset {source.name}: its files have changed since the run was planned; run it again")
        return {split: list(_read_file(source, Path(path))) for split, path in source.files.items()}
    return _read_hub(source)


def _read_profile(source: DatasetSource) -> dict[str, list[Row]]:
    if profile_dataset(source.name).fingerprint != source.fingerprint:
        raise DataError(
            f"dataset {source.name}: its length profile has changed since the run was planned; run it again"
        )
    rows: dict[str, list[Row]] = {}
    for split, lengths in length_profiles(source.name).items():
        found, labels = profile.generate(lengths, split)
        rows[split] = [(text, label, split) for text, label in zip(found, labels, strict=True)]
    return rows


def _read_file(source: DatasetSource, path: Path) -> Iterator[Row]:
    try:
        if path.suffix == ".parquet":
            yield from _read_parquet(source, path)
            return
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as handle:
            reader = _read_jsonl if ".jsonl" in path.suffixes else _read_csv
            yield from reader(source, path, _lines(source, path, cast(IO[bytes], handle)))
    except UnicodeDecodeError as error:
        raise DataError(f"dataset {source.name}: {path}: not UTF-8 text (byte {error.start} of a line)") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"dataset {source.name}: {path}: corrupt or cut short: {error}") from None
    except OSError as error:
        raise DataError(f"dataset {source.name}: {path} cannot be read: {error}") from None


def _lines(source: DatasetSource, path: Path, handle: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; a packed one may unpack to more than any machine holds."""
    packed, read = path.stat().st_size, 0
    while line := handle.readline(LONGEST_LINE_BYTES + 1):
        read += len(line)
        if len(line) > LONGEST_LINE_BYTES:
            raise DataError(
                f"dataset {source.name}: {path}: a line must have at most {LONGEST_LINE_BYTES} bytes; this one has more"
            )
        if read > max(UNPACKED_BYTES, MOST_UNPACKED * packed):
            raise DataError(
                f"dataset {source.name}: {path}: unpacks to more than {MOST_UNPACKED} times its size, as no texts do"
            )
        yield line


def _read_jsonl(source: DatasetSource, path: Path, lines: Iterator[bytes]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        place = f"{path}: line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            raise DataError(f"dataset {source.name}: {place}: not UTF-8 text") from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"dataset {source.name}: {place}: not valid JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"dataset {source.name}: {place}: must be a JSON object, got {type(row).__name__}")
        yield _columns(source, row, place)


def _read_csv(source: DatasetSource, path: Path, lines: Iterator[bytes]) -> Iterator[Row]:
    # Spreadsheets put a byte order mark at the start, which would become part of the first column's name.
    decoded = (line.removeprefix(codecs.BOM_UTF8).decode("utf-8") for line in lines)
    try:
        rows = csv.DictReader(decoded, strict=True)
        for row in rows:
            yield _columns(source, row, f"{path}: line {rows.line_num}")
    except csv.Error as error:
        raise DataError(f"dataset {source.name}: {path}: not valid CSV: {error}") from None


def _read_parquet(source: DatasetSource, path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path).to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"dataset {source.name}: {path}: not valid Parquet: {error}") from None
    for number, row in enumerate(rows, start=1):
        yield _columns(source, row, f"{path}: row {number}")


def _columns(source: DatasetSource, row: Mapping[str, Any], place: str) -> Row:
    for column in (source.text_column, source.label_column):
        if row.get(column) is None:
            raise DataError(
                f"dataset {source.name}: {place}: no column {column!r}; it has {', '.join(map(str, row))}; "
                f"set text and label in [datasets.{source.name}]"
            )
    return row[source.text_column], row[source.label_column], place


def _read_hub(source: DatasetSource) -> dict[str, list[Row]]:
    import datasets

    name = f"{source.hub_id}" + (f" ({source.hub_config})" if source.hub_config else "")
    if Path(str(source.hub_id)).exists():
        raise DataError(
            f"dataset {source.name}: {source.hub_id} is also a path from here, which the hub's client would read in "
            f"place of the hub; run from another folder, or name it: [datasets.{source.name}] path = "
            f'"{source.hub_id}"'
        )
    datasets.disable_progress_bars()
    try:
        found = datasets.load_dataset(source.hub_id, source.hub_config, revision=source.revision)
    except Exception as error:  # the hub client raises from a dozen libraries; all mean: not reached
        raise DataError(
            f"dataset {source.name}: cannot be reached on the hub: tried {name} at revision {source.revision}: "
            f"{access.reason(error, str(source.hub_id), 'dataset')}; to read local files give --data-root DIR with "
            f"DIR/{source.name}/train.jsonl.gz and test.jsonl.gz"
        ) from None  # what it was raised from may quote the token, and a log would keep that
    missing = [split for split in ("train", "test") if split not in found]
    if missing:
        raise DataError(
            f"dataset {source.name}: {name} has no {missing[0]} split (it has: {', '.join(found)}); "
            "give a folder with both by path"
        )
    return {
        split: [_columns(source, row, f"{name} {split}") for row in found[split]] for split in SPLITS if split in found
    }


def _infer_labels(source: DatasetSource, rows: Sequence[Row]) -> tuple[str, ...]:
    """Class names from the labels of train: 0..C-1, or sorted names."""
    values = {str(label) for _, label, _ in rows}
    integers = all(isinstance(label, int) and not isinstance(label, bool) for _, label, _ in rows)
    if integers or (values and all(_is_index(value) for value in values)):
        indices = sorted(int(value) for value in values)
        if indices != list(range(len(indices))) or len(indices) < 2:
            raise DataError(
                f"dataset {source.name}: labels of train must be 0..C-1 with at least 2 classes, got {indices[:10]}; "
                f"or set labels in [datasets.{source.name}]"
            )
        return tuple(str(index) for index in indices)
    if not 2 <= len(values) <= 1000:
        raise DataError(f"dataset {source.name}: train has {len(values)} different labels; wanted 2 to 1000")
    return tuple(sorted(values))


def _checked(source: DatasetSource, split: str, rows: Sequence[Row], labels: Sequence[str]) -> Split:
    if not rows:
        raise DataError(f"dataset {source.name}: split {split} is empty")
    by_name = {name: index for index, name in enumerate(labels)}
    result = Split([], [], [])
    for number, (text, label, place) in enumerate(rows):
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"dataset {source.name}: {place}: text must be a non-empty string, got {text!r:.60}")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise DataError(
                f"dataset {source.name}: {place}: text holds half a surrogate pair, which is not Unicode text"
            )
        result.ids.append(f"{split}/{number}")
        result.texts.append(text)
        result.labels.append(_label_index(source, label, place, by_name))
    return result


def _label_index(source: DatasetSource, label: Any, place: str, by_name: Mapping[str, int]) -> int:
    if isinstance(label, str | int) and str(label) in by_name:
        return by_name[str(label)]
    is_index = (isinstance(label, int) and not isinstance(label, bool)) or (isinstance(label, str) and _is_index(label))
    if is_index and 0 <= int(label) < len(by_name):
        return int(label)
    raise DataError(
        f"dataset {source.name}: {place}: bad label {label!r:.60}; wanted 0..{len(by_name) - 1} or one of "
        f"{', '.join(by_name)}"
    )


def _is_index(label: str) -> bool:
    return label.isdecimal() and len(label) < 10  # int() refuses very long ones


def _carve(source: DatasetSource, train: Split, fraction: float, rng: np.random.Generator) -> tuple[Split, Split]:
    count = round(len(train) * fraction)
    if not 1 <= count < len(train):
        raise DataError(f"dataset {source.name}: train has {len(train)} rows, too few to carve a validation split")
    held = _stratified(train.labels, count, rng)
    kept = sorted(set(range(len(train))) - set(held))
    return train.take(kept), train.take(held)


def _stratified(labels: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    """Indices of a random sample in which each class keeps its share to within one row."""
    array = np.asarray(labels)
    order = rng.permutation(len(array))
    quotas = np.bincount(array) * count / len(array)
    shares = np.floor(quotas).astype(int)
    # The rows that rounding down left over go to the classes that lost the most by it.
    shares[np.argsort(shares - quotas, kind="stable")[: count - shares.sum()]] += 1
    by_class = (order[array[order] == label][:share] for label, share in enumerate(shares))
    return sorted(np.concatenate(list(by_class)).tolist())


def _content_sha256(splits: Mapping[str, Split]) -> str:
    digest = hashlib.sha256()
    for split in SPLITS:
        for text, label in zip(splits[split].texts, splits[split].labels, strict=True):
            data = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d %d " % (label, len(data)))
            digest.update(data)
    return digest.hexdigest()
