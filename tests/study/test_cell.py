"""A cell's id: readable, stable, and as particular as the result."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.study.cell import Cell
from bench.study.settings import TrainSettings

PINNED = "synthetic_stars__minilm__low_rank__s0-d4a97cbd58"
FACTS: dict[str, Any] = {
    "study": "s",
    "dataset": {
        "name": "synthetic_stars", "label": "Stars", "kind": "synthetic", "labels": ["low", "high"],
        "fingerprint": "f1",
    },
    "model": {
        "name": "minilm", "label": "MiniLM", "kind": "encoder", "weights": "pretrained", "folder": "/here",
        "fingerprint": "f2",
    },
    "method": {
        "name": "low_rank", "label": "Low rank", "plugin": "lora", "path": "/here/lora.py", "sha256": "ab",
        "given": {"r": 4},
    },
    "seed": 0,
    "data": {},
    "train": {},
    "limits": {},
}  # fmt: skip


def cell(**changes: Any) -> Cell:
    """A cell with some facts replaced: ``cell(method__given={"r": 8})``."""
    facts = {key: dict(value) if isinstance(value, dict) else value for key, value in FACTS.items()}
    for place, value in changes.items():
        *outer, key = place.split("__")
        (facts[outer[0]] if outer else facts)[key] = value
    return Cell.model_validate(facts)


def test_id_is_the_same_in_every_process_and_release() -> None:
    """If this fails, every stored run is measured anew: raise the schema and say so in the changelog."""
    assert cell().id == PINNED


def test_cells_from_before_the_choice_of_kernels_were_fast() -> None:
    assert cell().train.kernels == "fast"
    assert cell(train={"kernels": "fast"}).id == cell().id
    assert TrainSettings().kernels == "stock"


def test_id_survives_json() -> None:
    assert Cell.model_validate_json(cell().model_dump_json()).id == cell().id


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1}, {"device": "cpu"}, {"dataset__fingerprint": "other"}, {"dataset__labels": ("high", "low")},
        {"dataset__text_column": "review"}, {"model__fingerprint": "other"}, {"model__weights": "random"},
        {"model__kind": "causal"}, {"method__sha256": "cd"}, {"method__given": {"r": 8}}, {"method__given": {}},
        {"method__plugin": "other"}, {"data": {"max_length": 64}}, {"data": {"evaluate_split": "validation"}},
        {"train": {"epochs": 4}}, {"train": {"precision": "fp32"}}, {"train": {"validation_points": 5}},
        {"train": {"class_weights": "balanced"}}, {"train": {"label_smoothing": 0.1}},
        {"train": {"validation_points": 5, "keep": "best"}},
        {"train": {"validation_points": 5, "early_stopping_patience": 2}}, {"train": {"optimizer": "adamw_8bit"}},
        {"train": {"kernels": "stock"}},
    ],
)  # fmt: skip
def test_id_changes_with_all_that_can_change_a_result(change: dict[str, Any]) -> None:
    assert cell(**change).id != cell().id


def test_ways_to_choose_weights_are_cells_of_their_own() -> None:
    ways: list[dict[str, Any]] = [{}, {"keep": "best"}, {"early_stopping_patience": 2}, {"early_stopping_patience": 3}]
    assert len({cell(train={"validation_points": 5} | way).id for way in ways}) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"study": "other"}, {"limits": {"cell_timeout_seconds": 5}}, {"dataset__label": "other"},
        {"dataset__files": {"train": "/there/train.jsonl"}}, {"model__label": "other"}, {"model__folder": "/there"},
        {"method__label": "other"}, {"method__path": "/there/lora.py"}, {"method__options": {"r": 4, "alpha": 16}},
    ],
)  # fmt: skip
def test_id_does_not_change_with_places_labels_and_limits(change: dict[str, Any]) -> None:
    assert cell(**change).id == cell().id


def test_cells_of_one_row_differ_in_their_seed_alone() -> None:
    assert cell(seed=3).row_id == cell(seed=4).row_id == cell().row_id == PINNED
    assert cell(seed=3, method__given={"r": 8}).row_id != PINNED


HOSTILE = ["../../etc", "/etc/passwd", "..", ".", "", "a b\n", "x" * 400, "<script>", "$(rm -rf ~)", "é" * 300, "-rf"]


@given(name=st.sampled_from([*HOSTILE, "a." + "b" * 39, "a-" + "b" * 39, "nul\0"]) | st.text(max_size=60))
def test_id_is_a_safe_folder_name(name: str) -> None:
    found = cell(dataset__name=name, model__name=name, method__name=name).id
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", found)
    assert len(found) < 200
    assert ".." not in found.split("__")


def test_names_that_look_alike_as_folders_stay_apart() -> None:
    assert cell(dataset__name="a/b").id != cell(dataset__name="a_b").id
