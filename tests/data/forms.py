"""Shared by tests of data formats: folders of files in any format, located and loaded as by a study."""

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.data import texts
from bench.data.texts import Dataset, Split
from bench.study.datasets import DatasetSource, resolve_dataset
from bench.study.settings import DataSettings
from bench.study.study import Study


def located(path: Path, **entry: Any) -> DatasetSource:
    """The dataset ``mine`` of a study, at a path."""
    content = {
        "name": "s",
        "grid": [{"datasets": ["mine"], "models": ["m"]}],
        "datasets": {"mine": {"path": str(path), **entry}},
    }
    return resolve_dataset("mine", Study.model_validate(content))


def loaded(path: Path, entry: dict[str, Any] | None = None, **settings: Any) -> Dataset:
    """The loaded dataset."""
    return texts.load(located(path, **(entry or {})), DataSettings(**settings))


def laid(folder: Path, **files: bytes | str) -> Path:
    """A folder of files; ``train__csv`` stands for train.csv, and a name that ends in gz is gzipped."""
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return folder


def everywhere(folder: Path, name: str, content: bytes | str) -> Path:
    """A folder whose three splits have the same content."""
    return laid(folder, **{f"{split}__{name.replace('.', '__')}": content for split in ("train", "validation", "test")})


def jsonl(rows: Sequence[tuple[Any, Any]]) -> bytes:
    """Texts and labels as jsonl."""
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows).encode()


def parquet(rows: Sequence[tuple[str, Any]], names: Sequence[str] | None = None) -> bytes:
    """Texts and labels as parquet; with names, the label column is declared as a ClassLabel of ``datasets``."""
    table = pa.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
    if names is not None:
        features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def rows_of(split: Split, labels: Sequence[str]) -> list[tuple[str, str]]:
    """Texts and class names."""
    return [(text, labels[label]) for text, label in zip(split.texts, split.labels, strict=True)]
