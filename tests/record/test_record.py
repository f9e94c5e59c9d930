"""The record of a cell, and its published schema."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import bench
from bench.record.record import Phase, Record
from tests.report.conftest import _record

SCHEMA_FILE = Path(bench.__file__).with_name("record.schema.json")
WRITE_SCHEMA = (
    'python -c "import json; from bench.record.record import Record; '
    'print(json.dumps(Record.model_json_schema(), indent=1))" > bench/record.schema.json'
)


def minimal() -> dict[str, Any]:
    """What even a worker that died leaves behind."""
    cell = _record().cell
    return {
        "cell_id": cell.id,
        "cell": cell,
        "status": "killed",
        "failure": {"phase": "train", "type": "signal 9", "message": "killed"},
        "started_at": "2026-01-02T03:04:05+00:00",
        "wall_seconds": 1.5,
    }


@pytest.mark.parametrize("record", [Record.model_validate(minimal()), _record()], ids=["minimal", "measured"])
def test_round_trip(record: Record) -> None:
    assert Record.model_validate_json(record.model_dump_json(indent=1)) == record


def test_a_record_from_before_validation_points_is_read() -> None:
    content = json.loads(_record().model_dump_json())
    for key in ("train_seconds", "validation"):
        del content["training"][key]
    del content["cell"]["train"]["validation_points"]
    found = Record.model_validate(content)
    assert found == _record()
    assert found.training is not None
    assert (found.training.train_seconds, found.training.validation) == (None, ())
    assert found.cell.id == found.cell_id


def test_a_record_from_before_the_first_gpu_is_read() -> None:
    content = json.loads(Record.model_validate(minimal()).model_dump_json())
    del content["attention_kernels"], content["failure"]["memory"]
    found = Record.model_validate(content)
    assert found == Record.model_validate(minimal())
    assert found.failure is not None
    assert (found.attention_kernels, found.failure.memory) == ((), None)


def test_a_record_from_before_the_confusion_matrix_is_read() -> None:
    content = json.loads(_record().model_dump_json())
    del content["quality"]["confusion"]
    assert Record.model_validate(content) == _record()


def test_a_record_from_before_early_stopping_is_read() -> None:
    content = json.loads(_record().model_dump_json())
    for key in ("planned_steps", "best_step", "best_seconds", "kept_step"):
        del content["training"][key]
    for key in ("class_weights", "label_smoothing", "keep", "early_stopping_patience"):
        del content["cell"]["train"][key]
    found = Record.model_validate(content)
    assert found == _record()
    assert found.cell.id == found.cell_id


@pytest.mark.parametrize("texts", [[[50, 0, 0]], [[50, 0], [0, 50]], [[50, 0, 0], [0, 49, 0]], []])
def test_a_matrix_counts_each_text_of_each_label_once(texts: list[list[int]]) -> None:
    content = json.loads(_record().model_dump_json())
    content["quality"]["confusion"] = {"labels": ["n", "p"], "texts": texts}
    with pytest.raises(ValidationError, match="must have a row for each label"):
        Record.model_validate(content)


def test_what_is_unknown_is_null_and_never_absent() -> None:
    content = json.loads(Record.model_validate(minimal()).model_dump_json())
    assert set(content) == set(Record.model_fields)
    assert content["quality"] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_not_a_number(value: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        Record.model_validate(minimal() | {"wall_seconds": value})
    with pytest.raises(ValidationError, match="finite number"):
        Phase(
            name="train",
            seconds=value,
            peak_host_bytes=None,
            peak_cuda_allocated_bytes=None,
            peak_cuda_reserved_bytes=None,
        )


@pytest.mark.parametrize("value", [-0.01, 1.01, 12])
@pytest.mark.parametrize("name", ["macro_f1", "accuracy", "f1_by_label"])
def test_no_share_is_beyond_nothing_or_all(name: str, value: float) -> None:
    content = json.loads(_record().model_dump_json())
    whole = {"f1_by_label": dict.fromkeys(content["quality"]["f1_by_label"], value)}.get(name, value)
    with pytest.raises(ValidationError, match="than or equal to"):
        Record.model_validate(content | {"quality": content["quality"] | {name: whole}})
    with pytest.raises(ValidationError, match="than or equal to"):
        Record.model_validate(content | {"validation_macro_f1": value})


@pytest.mark.parametrize("change", [{"status": "fine"}, {"surprise": 1}, {"schema_version": 2}, {"cell": None}])
def test_what_the_schema_does_not_know_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Record.model_validate(minimal() | change)


def test_published_schema_is_the_model_s() -> None:
    wanted = json.dumps(Record.model_json_schema(), indent=1) + "\n"
    found = SCHEMA_FILE.read_text(encoding="utf-8") if SCHEMA_FILE.exists() else ""
    assert found == wanted, f"bench/record.schema.json is out of date; write it with: {WRITE_SCHEMA}"
