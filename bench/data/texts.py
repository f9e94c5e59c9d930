"""Loading of a dataset: checked texts and labels by split."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from bench.data import duplicates, labels, profile, splitting
from bench.data.files import LONGEST_TEXT, class_names, read_file
from bench.data.hub import read_hub
from bench.data.labels import Classes
from bench.data.rows import Row, names_of_indices
from bench.data.synthetic import TASKS, generate
from bench.errors import DataError
from bench.record.notices import doing
from bench.study.datasets import DatasetSource, fingerprint_of, length_profiles, profile_dataset
from bench.study.settings import DataSettings
from bench.study.split_files import SPLITS, WHOLE
from bench.study.values import LabelValues

Read = tuple[dict[str, list[Row]], tuple[str, ...] | None]
"""Rows by split, and the class names that the data declare, if any."""


@dataclass(frozen=True, slots=True)
class Split:
    """One split.

    Attributes:
        ids: source of each text, stable across runs, e.g. ``test/12``; for a file without splits its line, e.g.
            ``line/12``.
        texts: single texts, or the first text of each pair.
        labels: class index of each text.
        pairs: second text of each pair; None for single texts.
    """

    ids: list[str]
    texts: list[str]
    labels: list[int]
    pairs: list[str] | None = None

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> "Split":
        """The texts at these indices, in this order."""
        pairs = None if self.pairs is None else [self.pairs[i] for i in indices]
        return Split(
            [self.ids[i] for i in indices], [self.texts[i] for i in indices], [self.labels[i] for i in indices], pairs
        )

    def joined(self, other: "Split") -> "Split":
        """The texts of both, this one's first."""
        pairs = None if self.pairs is None or other.pairs is None else [*self.pairs, *other.pairs]
        return Split([*self.ids, *other.ids], [*self.texts, *other.texts], [*self.labels, *other.labels], pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset before tokenisation.

    Attributes:
        labels: class names by index.
        splits: train, validation and test.
        validation_carved: whether validation was taken from train.
        sha256: hash of all texts and labels.
        columns: columns of the two texts of a pair; None for single texts.
        label_values: whether the labels of its files are names or indices.
    """

    labels: tuple[str, ...]
    splits: Mapping[str, Split]
    validation_carved: bool
    sha256: str
    columns: tuple[str, str] | None = None
    label_values: LabelValues = "names"


def load(source: DatasetSource, settings: DataSettings, seed: int = 0) -> Dataset:
    """Read, check and optionally subsample a dataset.

    Args:
        source: dataset.
        settings: splits and samples.
        seed: seed of the cell, which matters for ``resample_splits`` alone.

    Raises:
        DataError: the dataset cannot be reached or a row breaks a rule; the message names file and line.
    """
    with doing(f"reading dataset {source.name}"):
        return _load(source, settings, seed)


def _load(source: DatasetSource, settings: DataSettings, seed: int) -> Dataset:
    rows, declared = _read(source)
    for split, found in rows.items():
        if not found:
            raise DataError(f"dataset {source.name}: {_named(split)} is empty")
    classes = _classes(source, rows, declared)
    splits = {split: _checked(source, split, found, classes) for split, found in rows.items()}
    if WHOLE in splits:
        splits = _divided(source, splits[WHOLE], settings)
    carved = "validation" not in rows
    rng = np.random.default_rng(settings.split_seed)
    if "validation" not in splits:
        splits["train"], splits["validation"] = _carve(source, splits["train"], settings.validation_fraction, rng)
    of_train = rng
    if settings.resample_splits:  # the test texts are drawn by the other generator, which every seed shares
        of_train = np.random.default_rng([settings.split_seed, seed])
        splits |= _redrawn(splits["train"], splits["validation"], of_train)
    limits = {"train": settings.max_train_samples}
    for split in SPLITS:
        limit = limits.get(split, settings.max_evaluation_samples)
        if limit is not None and limit < len(splits[split]):
            drawn = splitting.stratified(splits[split].labels, limit, rng if split == "test" else of_train)
            splits[split] = splits[split].take(drawn)
    return Dataset(
        labels=classes.names, splits={split: splits[split] for split in SPLITS}, validation_carved=carved,
        sha256=_content_sha256(splits),
        columns=None if source.pair_column is None else (source.text_column, source.pair_column),
        label_values=classes.values,
    )  # fmt: skip


def _named(split: str) -> str:
    return "the file" if split == WHOLE else f"split {split}"


def _read(source: DatasetSource) -> Read:
    if source.kind == "synthetic":
        task = TASKS[source.name]
        return _as_rows({split: generate(task, cast(Any, split)) for split in SPLITS}), None
    if source.kind == "profile":
        return _read_profile(source), None
    if source.kind == "hub":
        with doing(f"reading dataset {source.name}: {source.hub_id} of the hub"):
            return read_hub(source)
    if fingerprint_of(source) != source.fingerprint:
        raise DataError(f"dataset {source.name}: its files have changed since the run was planned; run it again")
    rows: dict[str, list[Row]] = {}
    for split, paths in source.files_of.items():
        rows[split] = []
        for path in paths:
            with doing(f"reading dataset {source.name}: {path}"):
                rows[split] += read_file(source, Path(path))
    return rows, _declared(source)


def _as_rows(generated: Mapping[str, tuple[list[str], list[int]]]) -> dict[str, list[Row]]:
    return {
        split: [Row(text, label, split) for text, label in zip(*pair, strict=True)] for split, pair in generated.items()
    }


def _read_profile(source: DatasetSource) -> dict[str, list[Row]]:
    if profile_dataset(source.name).fingerprint != source.fingerprint:
        raise DataError(
            f"dataset {source.name}: its length profile has changed since the run was planned; run it again"
        )
    lengths = length_profiles(source.name)
    return _as_rows({split: profile.generate(found, split) for split, found in lengths.items()})


def _declared(source: DatasetSource) -> tuple[str, ...] | None:
    """Class names that the first file of train declares."""
    first = Path(next(iter(source.files_of.values()))[0])
    return class_names(source, first) if first.suffix == ".parquet" else None


def _classes(source: DatasetSource, rows: Mapping[str, Sequence[Row]], declared: Sequence[str] | None) -> Classes:
    every: Iterable[Row] = (row for split in rows.values() for row in split)
    if source.labels is None and declared is None:
        return labels.inferred_classes(
            source.name, rows["train"] if "train" in rows else rows[WHOLE], source.label_values
        )
    if source.labels is None:  # reading has replaced the indices of a file that declares names
        return labels.named_classes(source.name, cast(Sequence[str], declared), "its files", every, preferred="names")
    by_name = declared is None or names_of_indices(source, declared) is not None
    preferred: LabelValues | None = None if declared is None else "names" if by_name else "indices"
    return labels.named_classes(source.name, source.labels, "its definition", every, source.label_values, preferred)


def _checked(source: DatasetSource, split: str, rows: Sequence[Row], classes: Classes) -> Split:
    result = Split([], [], [], None if source.pair_column is None else [])
    for number, row in enumerate(rows):
        result.ids.append(row.place.rpartition(": ")[2].replace(" ", "/") if split == WHOLE else f"{split}/{number}")
        result.texts.append(_text(source, row.text, row.place))
        result.labels.append(classes.index(row.label, row.place))
        if result.pairs is not None:
            result.pairs.append(_text(source, row.pair, row.place))
    return result


def _text(source: DatasetSource, text: Any, place: str) -> str:
    if not isinstance(text, str):
        raise DataError(f"dataset {source.name}: {place}: text must be a string, got {text!r:.60}")
    if len(text) > LONGEST_TEXT:
        raise DataError(
            f"dataset {source.name}: {place}: text must have at most {LONGEST_TEXT} characters, got {len(text)}"
        )
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise DataError(f"dataset {source.name}: {place}: text holds half a surrogate pair, which is not Unicode text")
    return text


def _divided(source: DatasetSource, whole: Split, settings: DataSettings) -> dict[str, Split]:
    """Splits of a dataset that comes as one file."""
    keys = _keys(whole)
    parts = splitting.stratified_splits(
        keys, whole.labels, settings.test_fraction, settings.validation_fraction, settings.split_seed
    )
    for split, indices in parts.items():
        if not indices:
            raise DataError(
                f"dataset {source.name}: its file has {len(set(keys))} different texts, too few for a non-empty "
                f"{split}; give more texts, or a folder with train and test"
            )
    return {split: whole.take(indices) for split, indices in parts.items()}


def _carve(source: DatasetSource, train: Split, fraction: float, rng: np.random.Generator) -> tuple[Split, Split]:
    count = round(len(train) * fraction)
    if not 1 <= count < len(train):
        raise DataError(f"dataset {source.name}: train has {len(train)} rows, too few to carve a validation split")
    held = splitting.stratified(train.labels, count, rng)
    kept = sorted(set(range(len(train))) - set(held))
    return train.take(kept), train.take(held)


def _redrawn(train: Split, validation: Split, rng: np.random.Generator) -> dict[str, Split]:
    """The texts of train and validation, divided anew in the same proportion, with equal texts in one split."""
    whole = train.joined(validation)
    groups: dict[bytes, list[int]] = {}
    for at, key in enumerate(_keys(whole)):
        groups.setdefault(key, []).append(at)
    members = list(groups.values())
    count = round(len(members) * len(validation) / len(whole))
    held = set(splitting.stratified([whole.labels[of_group[0]] for of_group in members], max(1, count), rng))
    parts = (
        sorted(at for number, of_group in enumerate(members) if (number in held) is own for at in of_group)
        for own in (False, True)
    )
    return dict(zip(("train", "validation"), map(whole.take, parts), strict=True))


def _keys(split: Split) -> list[bytes]:
    """A key for each text, which equal texts share; no empty text equals another."""
    found = duplicates.keys_of(split.texts, split.pairs)
    return [b"%d" % at if key is None else key for at, key in enumerate(found)]


def _content_sha256(splits: Mapping[str, Split]) -> str:
    digest = hashlib.sha256()
    for split in SPLITS:
        found = splits[split]
        for at, (text, label) in enumerate(zip(found.texts, found.labels, strict=True)):
            for part in (text,) if found.pairs is None else (text, found.pairs[at]):
                data = part.encode("utf-8", "surrogatepass")
                digest.update(b"%d %d " % (label, len(data)))
                digest.update(data)
    return digest.hexdigest()
