"""Resolve a study's dataset names to files, hub ids and generators."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from bench.errors import DataError, UnknownNameError
from bench.schema import Frozen
from bench.study import split_files
from bench.study.catalog import catalog
from bench.study.entries import DatasetEntry
from bench.study.places import expand_user, is_folder, is_hub_id, looking_for
from bench.study.split_files import WHOLE
from bench.study.study import Study
from bench.study.values import LabelValues

SplitName = Literal["train", "validation", "test"]


#: Percentages of the recorded quantiles. The last steps are narrow, because a few texts are far longer than the rest:
#: linear interpolation from 95 to 100 would add a sixth to the words of IMDb.
PERCENTS = (*range(0, 100, 5), 97.5, 99.0, 99.5, 99.9, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthProfile:
    """Number and lengths of the texts of one split.

    Attributes:
        label_counts: number of texts by label index.
        words: quantiles, at ``PERCENTS``, of the number of whitespace-separated words per text.
        tokens_per_word: mean tokens per word of the real texts, from 1 to 2.

    Raises:
        DataError: there are no texts, the quantiles do not match ``PERCENTS``, decrease or start below 1, or
            tokens_per_word is out of range.
    """

    label_counts: tuple[int, ...]
    words: tuple[int, ...]
    tokens_per_word: float = 1.0

    def __post_init__(self) -> None:
        if not self.label_counts or min(self.label_counts) < 0 or not any(self.label_counts):
            raise DataError(f"length profile: label_counts must name at least one text, got {self.label_counts}")
        if len(self.words) != len(PERCENTS):
            raise DataError(f"length profile: words must hold {len(PERCENTS)} quantiles, got {len(self.words)}")
        if self.words[0] < 1 or list(self.words) != sorted(self.words):
            raise DataError(f"length profile: words must start at 1 or above and never decrease, got {self.words}")
        if not 1 <= self.tokens_per_word <= 2:
            raise DataError(f"length profile: tokens_per_word must be from 1 to 2, got {self.tokens_per_word}")


class DatasetSource(Frozen):
    """Location and format of one dataset."""

    name: str
    label: str
    kind: Literal["folder", "file", "hub", "synthetic", "profile"]
    files: dict[str, str] = Field(
        default_factory=dict,
        description="files by split, or by split/number if a split has several; a single file is under all",
    )
    hub_id: str | None = None
    hub_config: str | None = None
    revision: str | None = None
    text_column: str = "text"
    pair_column: str | None = Field(None, description="column of the second text of a pair; null: single texts")
    label_column: str = "label"
    labels: tuple[str, ...] | None = None
    label_values: LabelValues | None = Field(None, description="see DatasetEntry.label_values")
    fingerprint: str = Field(description="hash of the files, or hub revision; changes with the content")

    @property
    def synthetic(self) -> bool:
        """Whether this project generates the texts."""
        return self.kind in ("synthetic", "profile")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, without duplicates."""
        read = (self.text_column, self.pair_column, self.label_column)
        return tuple(dict.fromkeys(column for column in read if column is not None))

    @property
    def files_of(self) -> dict[str, list[str]]:
        """Files by split, train first; a single file is under ``WHOLE``."""
        by_split = {split: split_files.paths_of(self.files, split) for split in (*split_files.SPLITS, WHOLE)}
        return {split: paths for split, paths in by_split.items() if paths}


def known_label_counts(source: DatasetSource) -> dict[str, int] | None:
    """The catalog's number of test texts by label of a hub dataset; None if it has none."""
    entries = catalog("datasets").values()
    known = (e for e in entries if e.get("hub_id") == source.hub_id and e.get("hub_config") == source.hub_config)
    entry = next(known, None) if source.kind == "hub" else None
    if entry is None or "test_label_counts" not in entry:
        return None
    return dict(zip(entry["labels"], entry["test_label_counts"], strict=True))


def resolve_dataset(name: str, study: Study, data_root: Path | None = None) -> DatasetSource:
    """Locate a dataset by catalog name, study entry, hub id (``owner/name``), folder or file.

    Args:
        name: name in the study's grid.
        study: study with ``[datasets]`` and the folder that relative paths start from.
        data_root: folder with ``<name>/<split>.jsonl.gz``, read instead of the hub for catalog names.

    Raises:
        UnknownNameError: the name is not defined.
        DataError: the folder or a split is missing.
    """
    with looking_for(f"dataset {name}", DataError):
        if name in study.datasets:
            return _own_dataset(name, study.datasets[name], study.folder)
        if name in catalog("datasets"):
            return _catalog_dataset(name, data_root)
        if is_folder(name, study.folder) or split_files.is_data_file(study.folder / name):
            return _own_dataset(Path(name).name or "dataset", DatasetEntry(path=name), study.folder)
        if is_hub_id(name):
            return _own_dataset(name, DatasetEntry(hub_id=name), study.folder)
    raise UnknownNameError(
        "dataset", name, [*catalog("datasets"), *study.datasets],
        f'or define it: [datasets.{name}] path = "FOLDER", or give a hub id owner/name',
    )  # fmt: skip


def _catalog_dataset(name: str, data_root: Path | None) -> DatasetSource:
    entry = catalog("datasets")[name]
    if entry.get("synthetic"):
        return DatasetSource(
            name=name, label=entry["label"], kind="synthetic", labels=tuple(entry["labels"]),
            fingerprint=f"generator {entry['generator_version']}",
        )  # fmt: skip
    common = {"name": name, "label": entry["label"], "labels": entry["labels"]}
    if data_root is None:
        revision = entry["revision"]
        return DatasetSource(
            **common, kind="hub", hub_id=entry["hub_id"], hub_config=entry.get("hub_config"), revision=revision,
            fingerprint=f"{entry['hub_id']}@{revision}",
        )  # fmt: skip
    folder = data_root / name
    if not folder.is_dir():
        there = sorted(path.name for path in data_root.iterdir() if path.is_dir()) if data_root.is_dir() else []
        raise DataError(
            f"dataset {name}: --data-root {data_root} has no folder {name} (it has: {', '.join(there) or 'nothing'}); "
            f"put {name}/train.jsonl.gz and {name}/test.jsonl.gz there, or leave --data-root out to read "
            f"{entry['hub_id']} from the hub"
        )
    return _folder_dataset(folder, common)


def _own_dataset(name: str, entry: DatasetEntry, base: Path) -> DatasetSource:
    text, pair = (entry.text, None) if isinstance(entry.text, str) else entry.text
    common = {
        "name": name, "label": name, "labels": entry.labels, "text_column": text, "pair_column": pair,
        "label_column": entry.label, "label_values": entry.label_values,
    }  # fmt: skip
    if entry.path is None:
        return DatasetSource(
            **common, kind="hub", hub_id=entry.hub_id, hub_config=entry.hub_config, revision=entry.revision,
            fingerprint=f"{entry.hub_id}/{entry.hub_config}@{entry.revision}",
        )  # fmt: skip
    path = base / expand_user(entry.path)
    if split_files.is_data_file(path):
        return _with_fingerprint(
            DatasetSource(**common, kind="file", files={WHOLE: str(path.resolve())}, fingerprint="")
        )
    return _folder_dataset(path, common)


def _folder_dataset(folder: Path, common: dict[str, Any]) -> DatasetSource:
    name = common["name"]
    if folder.is_file():
        endings = ", ".join(split_files.SUFFIXES)
        raise DataError(f"dataset {name}: a file of texts must end in one of {endings}, got {folder.name}")
    if not folder.is_dir():
        raise DataError(f"dataset {name}: no such folder or file: {folder}")
    files = split_files.find(name, folder)
    return _with_fingerprint(DatasetSource(**common, kind="folder", files=files, fingerprint=""))


def _with_fingerprint(source: DatasetSource) -> DatasetSource:
    return source.model_copy(update={"fingerprint": fingerprint_of(source)})


def fingerprint_of(source: DatasetSource) -> str:
    """The fingerprint of a dataset in files: a sha256 of their bytes and the columns read.

    Raises:
        DataError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for key, path in sorted(source.files.items()):
        digest.update(f"{key}:{_file_sha256(Path(path), source.name)}\n".encode())
    pair = "" if source.pair_column is None else f":{source.pair_column}"
    digest.update(f"{source.text_column}:{source.label_column}{pair}".encode())
    return digest.hexdigest()


def _file_sha256(path: Path, name: str) -> str:
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"dataset {name}: {path} cannot be read: {error.strerror}") from None


#: Version of the filler texts. Raise it with any change to the texts, because results of two versions do not compare.
FILLER_VERSION = 1
_SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@cache
def length_profiles(name: str) -> dict[SplitName, LengthProfile]:
    """The recorded lengths of a catalog dataset's texts, by split.

    Raises:
        DataError: the catalog has none for this name.
    """
    entries = catalog("datasets")
    table = entries.get(name, {}).get("length_profile")
    if table is None:
        known = ", ".join(other for other, entry in entries.items() if "length_profile" in entry)
        raise DataError(
            f"dataset {name}: the catalog has no lengths of its texts, so filler texts cannot replace them (it has "
            f"those of: {known}); give --data-root DIR, or choose one of these"
        )
    return {
        split: LengthProfile(
            label_counts=tuple(entries[name][f"{split}_label_counts"]),
            words=tuple(table[split]),
            tokens_per_word=table["tokens_per_word"],
        )
        for split in _SPLITS
        if split in table
    }


def profile_dataset(name: str) -> DatasetSource:
    """Filler texts with the lengths of a catalog dataset, for studies that measure resources only.

    Raises:
        DataError: the catalog has no such dataset, or not its lengths.
    """
    profiles = length_profiles(name)
    entry = catalog("datasets")[name]
    recorded = json.dumps({split: asdict(profile) for split, profile in profiles.items()}, sort_keys=True)
    return DatasetSource(
        name=name, label=f"{entry['label']} (filler text)", kind="profile", labels=tuple(entry["labels"]),
        fingerprint=f"profile generator {FILLER_VERSION}, {hashlib.sha256(recorded.encode()).hexdigest()}",
    )  # fmt: skip


def known_prompt(source: DatasetSource) -> dict[str, Any]:
    """The catalog's prompt settings of a dataset; empty if the catalog does not know it.

    A hub dataset is known by its id, a folder by its name if it also has the catalog's labels, because the label words
    fit only these.
    """
    entries = catalog("datasets")
    if source.kind == "hub":
        at = (source.hub_id, source.hub_config)
        known = (e for e in entries.values() if "hub_id" in e and (e["hub_id"], e.get("hub_config")) == at)
        entry = next(known, {})
        same = source.labels in (None, tuple(entry.get("labels", ())))
    else:
        entry = entries.get(source.name, {})
        same = source.kind in ("synthetic", "profile") or source.labels == tuple(entry.get("labels", ()))
    return dict(entry["prompt"]) if same and "prompt" in entry else {}
