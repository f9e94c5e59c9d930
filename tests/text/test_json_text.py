"""JSON of others: a key that stands twice is refused wherever a file of others is read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.files import read_file
from bench.errors import RequestError
from bench.record.files import write_text
from bench.record.run_folder import CellFolder, RunFolder, parse_record, read_cell
from bench.report import manifest
from bench.report.results import archive
from bench.report.results.evidence import predictions_of
from bench.study.datasets import DatasetSource
from bench.study.models import config_content
from bench.text.json_text import loads
from tests.report.conftest import MakeRecord
from tests.report.conftest import make_record as make_record
from tests.report.predicted import TRUTH, Cells, results, study


def test_as_json_reads_it() -> None:
    assert loads('{"a": {"b": [1, 2.5, null]}, "c": "d"}') == {"a": {"b": [1, 2.5, None]}, "c": "d"}
    assert loads(b"[]") == []


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "c": 2, "a": 1}}]', '{"a": 1, "\\u0061": 2}'])
def test_a_key_that_stands_twice(text: str) -> None:
    with pytest.raises(ValueError, match="key 'a' appears twice; give each key once"):
        loads(text)


def twice(text: str) -> str:
    """The JSON of an object with its first key once more, at the end; nothing else is wrong with it."""
    key, value = next(iter(json.loads(text).items()))
    return f"{text.rstrip()[:-1]}, {json.dumps(key)}: {json.dumps(value)}}}"


Read = Callable[[Path], Any]
READERS: dict[str, Read] = {
    "run.json": lambda path: RunFolder(path.parent).read_run(), "cell.json": read_cell,
    "record.json": lambda path: parse_record(path.read_text(), str(path)),
    "study.json": lambda path: archive.read(path.parent),
    "records.jsonl": lambda path: archive.read(path.parent),
    "evidence.jsonl": lambda path: archive.read(path.parent),
    "report.json": lambda path: manifest.read(path.parent),
    "config.json": lambda path: config_content("m", path),
}  # fmt: skip


@pytest.fixture
def files(make_record: MakeRecord, tmp_path: Path) -> Path:
    """A folder with one of each."""
    cells = Cells(make_record, tmp_path / "cells")
    measured = cells.measured(list(TRUTH), method="LoRA")
    record = measured.record
    run = {"schema_version": 1, "study": study(), "command": "tunebench run s", "written_at": "2026-01-02"}
    run |= {"cell_ids": [record.cell_id]}
    drawn = archive.texts(results(run, measured))
    manifest.write({name: text.encode() for name, text in drawn.items()}, "0", ["md"], tmp_path)
    write_text(tmp_path / "run.json", json.dumps(run))
    write_text(tmp_path / "record.json", record.model_dump_json())
    write_text(tmp_path / "cell.json", record.cell.model_dump_json())
    write_text(tmp_path / "config.json", '{"model_type": "bert"}')
    return tmp_path


@pytest.mark.parametrize("name", READERS)
def test_each_reader_refuses_it(files: Path, name: str) -> None:
    path = files / name
    READERS[name](path)
    first, _, rest = path.read_text().partition("\n") if name.endswith("l") else (path.read_text(), "", "")
    path.write_text(f"{twice(first)}\n{rest}")
    with pytest.raises(RequestError, match=r"appears twice|cannot be read: ValueError"):
        READERS[name](path)


def test_predictions_beside_a_record(files: Path, make_record: MakeRecord) -> None:
    folder = CellFolder(next((files / "cells").iterdir()))
    record = make_record()
    first, _, rest = folder.predictions.read_text().partition("\n")
    folder.predictions.write_text(f"{twice(first)}\n{rest}")
    assert "cannot be read: ValueError in line 1" in str(predictions_of(record, folder))


def test_a_row_of_a_dataset(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"text": "a", "label": 0}\n{"text": "a", "label": 1, "text": "b"}\n')
    source = DatasetSource(name="reviews", label="Reviews", kind="folder", fingerprint="f")
    with pytest.raises(RequestError, match=r"train.jsonl: line 2: not valid JSON: key 'text' appears twice"):
        list(read_file(source, path))
