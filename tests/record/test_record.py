"""The record of a cell, and its published schema."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import bench
from bench.record.record import RANDOM_WEIGHTS, Phase, Record
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
        "cell_id": cell.id, "cell": cell, "status": "killed",
        "failure": {"phase": "train", "type": "signal 9", "message": "killed"},
        "started_at": "2026-01-02T03:04:05+00:00", "wall_seconds": 1.5,
    }  # fmt: skip


@pytest.mark.parametrize("record", [Record.model_validate(minimal()), _record()], ids=["minimal", "measured"])
def test_round_trip(record: Record) -> None:
    assert Record.model_validate_json(record.model_dump_json(indent=1)) == record


#: Fields that came later, by what came with them: their places in the JSON of a record.
LATER = {
    "validation points": ["training.train_seconds", "training.validation", "cell.train.validation_points"],
    "the first GPU": ["attention_kernels"],
    "the confusion matrix": ["quality.confusion"],
    "early stopping": [
        "training.planned_steps", "training.best_step", "training.best_seconds", "training.kept_step",
        "cell.train.class_weights", "cell.train.label_smoothing", "cell.train.keep",
        "cell.train.early_stopping_patience",
    ],
    "the spread within a cell": ["inference.within_cell", "matmul_readings_flops_per_second"],
    "optional closed forms": ["flops.closed_form_flops", "cpu_kernels"],
}  # fmt: skip


@pytest.mark.parametrize("places", LATER.values(), ids=LATER)
def test_an_older_record_is_read(places: list[str]) -> None:
    content = json.loads(_record().model_dump_json())
    for place in places:
        *outer, name = place.split(".")
        del functools.reduce(dict.__getitem__, outer, content)[name]
    found = Record.model_validate(content)
    assert (found, found.cell.id) == (_record(), found.cell_id)


def test_an_older_failure_is_read() -> None:
    content = json.loads(Record.model_validate(minimal()).model_dump_json())
    del content["failure"]["memory"]
    assert Record.model_validate(content) == Record.model_validate(minimal())


class TestRandomWeights:
    def test_have_no_quality_even_in_an_older_record(self) -> None:
        content = json.loads(_record(kind="causal", generated_f1=0.5, parse_failures=0.2).model_dump_json())
        content["cell"]["model"]["weights"] = "random"
        content["validation_macro_f1"] = 0.6
        found = Record.model_validate(content)
        assert found.generation is not None
        assert found.generation.speed is not None
        emptied = (found.quality, found.validation_macro_f1, found.generation.quality)
        assert (*emptied, found.generation.parse_failure_fraction) == (None, None, None, None)
        fields = ("quality", "validation_macro_f1", "generation.quality", "generation.parse_failure_fraction")
        assert found.unknown == dict.fromkeys(fields, RANDOM_WEIGHTS)
        assert Record.model_validate_json(found.model_dump_json()) == found

    def test_a_failed_cell_gives_no_such_reason(self) -> None:
        content = json.loads(Record.model_validate(minimal()).model_dump_json())
        content["cell"]["model"]["weights"] = "random"
        assert Record.model_validate(content).unknown == {}


@pytest.mark.parametrize("texts", [[[50, 0, 0]], [[50, 0], [0, 50]], [[50, 0, 0], [0, 49, 0]], []])
def test_a_matrix_counts_each_text_of_each_label_once(texts: list[list[int]]) -> None:
    content = json.loads(_record().model_dump_json())
    content["quality"]["confusion"] = {"labels": ["n", "p"], "texts": texts}
    with pytest.raises(ValidationError, match="must have a row for each label"):
        Record.model_validate(content)


def test_what_is_unknown_is_null_and_never_absent() -> None:
    content = json.loads(Record.model_validate(minimal()).model_dump_json())
    assert (set(content), content["quality"]) == (set(Record.model_fields), None)


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


OLDER = "the later half of the steps took {} half, batch sizes allowed for (p 1.5e-07; suspect beyond ±5 % at p < 0.01)"


@pytest.mark.parametrize(
    ("name", "found", "verdict"),
    [
        ("stationary training", OLDER.format("9.0 % more time than the earlier"), "valid"),
        ("stationary training", OLDER.format("15.1 % less time than the earlier"), "suspect"),
        ("stationary inference", OLDER.format("-9.0 % of the time of the earlier"), "valid"),
        ("undisturbed training", OLDER.format("9.0 % more time than the earlier"), "suspect"),
        ("stationary training", "the later half of the steps took 9.0 % more time", "suspect"),
    ],
)
def test_drift_of_an_older_record_is_judged_by_the_limit_of_today(name: str, found: str, verdict: str) -> None:
    """By the drift that it holds, in the words of two versions; whatever else it says stays suspect."""
    content = json.loads(_record().model_dump_json())
    content["checks"] = [{"name": name, "verdict": "suspect", "found": found}]
    record = Record.model_validate(content)
    (judged,) = record.checks
    assert judged.verdict == verdict
    limit_now = "suspect beyond ±5 % at p < 0.01 when it was measured, beyond ±15 % now)"
    assert (limit_now in judged.found) == (verdict == "valid")
    assert Record.model_validate_json(record.model_dump_json()) == record, "once only"
