"""Rows without a model: those that every study measures, and those that a grid names."""

from typing import Any

import pytest
from pydantic import ValidationError

from bench.errors import StudyError
from bench.study.cell import Cell
from bench.study.grid import expand, needed_plugins
from bench.study.models import NO_MODEL
from bench.study.sources import locate
from bench.study.study import load_study
from tests.study.test_grid import FOUND, SAYS, plugins, study

BASELINES = FOUND | plugins(counts="methods/baselines/")
TOLD: dict[str, dict[str, Any]] = SAYS | {
    "counts": {"label": "Counts", "kinds": ["none"], "trains": True},
    "mine": {"label": "Mine", "kinds": ["none"], "trains": True},
}


def cells(*grids: dict[str, Any], found: dict[str, Any] = BASELINES, **tables: Any) -> list[Cell]:
    given = study([{"methods": ["alpha"], **grid} for grid in grids], **tables)
    assert set(needed_plugins(given, found)) >= {"counts"} or not given.baselines
    return expand(given, found, TOLD, locate(given))


def without_model(found: list[Cell]) -> list[tuple[str, str, int]]:
    return [(cell.dataset.name, cell.method.name, cell.seed) for cell in found if cell.model == NO_MODEL]


def test_each_dataset_has_one_cell_a_baseline_whatever_the_models_and_seeds() -> None:
    grid = {"datasets": ["synthetic_stars", "synthetic_emotion"], "models": ["enc", "gen"], "seeds": [1, 2, 3]}
    found = cells(grid | {"methods": ["beta"], "repeats": 2})
    assert without_model(found) == [("synthetic_stars", "counts", 0), ("synthetic_emotion", "counts", 0)]
    assert len(found) == 2 + 2 * 2 * 3 * 2


def test_a_study_of_causal_models_has_them_too() -> None:
    assert without_model(cells({"models": ["gen"], "methods": ["omega"]})) == [("synthetic_stars", "counts", 0)]


def test_a_study_can_leave_them_out() -> None:
    assert without_model(cells({}, baselines=False)) == []


def test_grids_that_differ_in_settings_of_models_alone_share_a_baseline() -> None:
    grids = [{"data": {"max_length": length}, "train": {"epochs": length}} for length in (8, 16)]
    found = cells(*grids)
    assert (len(found), len(without_model(found))) == (3, 1)
    assert [cell.device for cell in found if cell.model == NO_MODEL] == ["cpu"]


def test_grids_of_other_texts_have_each_their_own() -> None:
    assert len(without_model(cells({}, {"data": {"max_train_samples": 9}}))) == 2


def test_seeds_that_draw_their_own_splits_have_each_their_own() -> None:
    found = cells({"seeds": [4, 5], "data": {"resample_splits": True}})
    assert [seed for *_, seed in without_model(found)] == [4, 5]


@pytest.mark.parametrize("dataset", ["imdb", "synthetic_stars"])
def test_random_weights_alone_have_none_because_they_have_no_f1(dataset: str) -> None:
    drawn = {"drawn": {"base": "roberta-base", "weights": "random"}, "enc": {"hub_id": "o/enc"}}
    assert without_model(cells({"datasets": [dataset], "models": ["drawn"]}, models=drawn)) == []
    both = cells({"datasets": [dataset], "models": ["drawn", "enc"]}, models=drawn)
    assert [(cell.dataset.kind, cell.method.name) for cell in both if cell.model == NO_MODEL] == [
        ("hub" if dataset == "imdb" else "synthetic", "counts")
    ]


def test_a_baseline_that_does_not_import_is_left_out() -> None:
    assert without_model(cells({}, found=BASELINES | plugins(broken="methods/baselines/"))) == [
        ("synthetic_stars", "counts", 0)
    ]


def test_a_grid_can_name_methods_without_a_model() -> None:
    found = cells({"models": ["none"], "methods": ["counts"], "seeds": [0, 1]}, baselines=False)
    assert without_model(found) == [("synthetic_stars", "counts", 0)]


def test_a_plugin_without_a_model_is_measured_in_such_a_grid_only() -> None:
    found = BASELINES | plugins(mine="--plugin")
    assert "mine" not in [cell.method.name for cell in cells({}, found=found)]
    both = cells({}, {"models": ["none"], "methods": ["counts"]}, found=found)
    assert [method for _, method, _ in without_model(both)] == ["counts", "mine"]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"models": ["none"], "methods": ["alpha"]}, "method alpha adapts a model, got none"),
        ({"methods": ["counts"]}, "method counts has no model to adapt; put it in a grid with models"),
    ],
)
def test_a_method_in_the_wrong_grid_is_refused(grid: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        cells(grid)


def test_no_model_can_have_the_name_none() -> None:
    with pytest.raises(ValidationError, match="stands for methods without a model"):
        study({}, models={"none": {"hub_id": "o/enc"}})


def test_id_is_readable() -> None:
    (cell,) = (cell for cell in cells({}) if cell.model == NO_MODEL)
    assert cell.id.startswith("synthetic_stars__none__counts__s0-")


@pytest.mark.parametrize(
    ("name", "measured"),
    [("minilm_real", True), ("demo", True), ("paper", False), ("repeatability", False), ("gpu_memory", False)],
)
def test_shipped_studies_say_whether_they_measure_baselines(name: str, measured: bool) -> None:
    assert load_study(name).baselines is measured
