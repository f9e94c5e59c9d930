"""A study's grid, spelled out."""

from pathlib import Path
from typing import Any

import pytest

from bench.errors import PluginError, StudyError, UnknownNameError
from bench.method.registry import Plugin
from bench.study.cell import Cell
from bench.study.datasets import DatasetSource, resolve_dataset
from bench.study.grid import expand, needed_plugins
from bench.study.models import ModelSource
from bench.study.sources import locate, texts_for
from bench.study.study import Study

MODELS = {"enc": {"hub_id": "o/enc"}, "gen": {"hub_id": "o/gen", "kind": "causal"}}


def plugins(*names: str, **origins: str) -> dict[str, Plugin]:
    named = dict.fromkeys(names, "methods/") | origins
    return {
        name: Plugin(name=name, path=Path(f"/m/{name}.py"), sha256=name, origin=origin)
        for name, origin in named.items()
    }


FOUND = plugins("alpha", "beta", "omega")
SAYS: dict[str, dict[str, Any]] = {
    "alpha": {"label": "Alpha", "kinds": ["encoder"], "trains": True},
    "beta": {"label": "Beta", "kinds": ["encoder", "causal"], "trains": True},
    "omega": {"label": "Omega", "kinds": ["causal"], "trains": False},
    "mine": {"label": "Mine", "kinds": ["encoder"], "trains": True},
    "broken": {"error": "method broken: does not import"},
}


def study(grid: dict[str, Any] | list[dict[str, Any]], **tables: Any) -> Study:
    grids = grid if isinstance(grid, list) else [grid]
    filled = [{"datasets": ["synthetic_stars"], "models": ["enc"], **one} for one in grids]
    return Study.model_validate({"name": "s", "grid": filled, "models": MODELS, **tables})


def cells(given: Study, found: dict[str, Plugin] = FOUND) -> list[Cell]:
    needed_plugins(given, found)
    return expand(given, found, SAYS, locate(given))


def rows(given: Study, found: dict[str, Plugin] = FOUND) -> list[str]:
    return [cell.method.name for cell in cells(given, found)]


def test_star_is_every_method_that_fits_the_model() -> None:
    found = cells(study({"models": ["enc", "gen"]}))
    assert [(cell.model.name, cell.method.name) for cell in found] == [
        ("enc", "alpha"), ("enc", "beta"), ("gen", "beta"), ("gen", "omega"),
    ]  # fmt: skip
    assert [cell.method.label for cell in found] == ["Alpha", "Beta", "Beta", "Omega"]


def test_star_takes_the_variants_of_the_study_along() -> None:
    variants = {"big": {"plugin": "beta", "label": "Big", "options": {"r": 64}}, "alpha": {"options": {"r": 1}}}
    found = {cell.method.name: cell.method for cell in cells(study({}, methods=variants))}
    assert list(found) == ["alpha", "beta", "big"]
    assert (found["big"].plugin, found["big"].label, found["big"].given) == ("beta", "Big", {"r": 64})
    assert (found["alpha"].given, found["beta"].given) == ({"r": 1}, {})


def test_star_beside_names_repeats_no_row() -> None:
    assert rows(study({"methods": ["beta", "*"]})) == ["beta", "alpha"]


def test_plugin_files_join_grids_that_name_methods() -> None:
    found = FOUND | plugins(mine="--plugin")
    assert rows(study({"methods": ["alpha"]}), found) == ["alpha", "mine"]
    assert set(needed_plugins(study({"methods": ["alpha"]}), found)) == {"alpha", "mine"}


def test_a_plugin_file_that_the_grid_varies_adds_no_plain_row() -> None:
    variants = {"mine_big": {"plugin": "mine"}}
    found = FOUND | plugins(mine="--plugin")
    assert rows(study({"methods": ["mine_big"]}, methods=variants), found) == ["mine_big"]


def test_named_method_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(StudyError, match="method alpha supports encoder models; gen is of kind causal"):
        cells(study({"models": ["gen"], "methods": ["alpha"]}))


def test_only_the_plugins_named_are_asked() -> None:
    assert set(needed_plugins(study({"methods": ["beta"]}), FOUND)) == {"beta"}
    assert set(needed_plugins(study([{"methods": ["beta"]}, {"methods": ["*"]}]), FOUND)) == set(FOUND)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (study({"methods": ["alfa"]}), "unknown method 'alfa'; did you mean 'alpha'"),
        (study({}, methods={"big": {"plugin": "betta"}}), "unknown method 'betta'; did you mean 'beta'"),
        (study({}, methods={"bta": {"options": {"r": 2}}}), "unknown method 'bta'; did you mean 'beta'"),
        (study({"options": {"alpa": {"r": 2}}}), "unknown method 'alpa'; did you mean 'alpha'"),
        (study({"datasets": ["synthetic_star"]}), "unknown dataset .* did you mean 'synthetic_stars'"),
        (study({"models": ["encc"]}), "unknown model 'encc'; did you mean 'enc'"),
    ],
)
def test_unknown_name_comes_with_the_nearest(given: Study, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        cells(given)


def test_method_that_does_not_import_ends_only_studies_that_name_it() -> None:
    found = FOUND | plugins("broken")
    assert rows(study({}), found) == ["alpha", "beta"]
    with pytest.raises(PluginError, match="does not import"):
        cells(study({"methods": ["broken"]}), found)
    with pytest.raises(PluginError, match="does not import"):
        cells(study({"methods": ["alpha"]}), FOUND | plugins(broken="--plugin"))


def test_seeds_are_outermost_over_all_grids() -> None:
    grids: list[dict[str, Any]] = [
        {"seeds": [1, 0], "datasets": ["synthetic_stars", "synthetic_polarity"]},
        {"seeds": [0, 1], "models": ["gen"]},
    ]
    found = cells(study(grids))
    assert [cell.seed for cell in found] == sorted(cell.seed for cell in found)
    assert {cell.model.name for cell in found if cell.seed == 0} == {"enc", "gen"}
    assert len(found) == 2 * (2 * 2 + 2)


def test_a_cell_of_two_grids_is_measured_once() -> None:
    assert rows(study([{"methods": ["alpha"]}, {"methods": ["alpha", "beta"]}])) == ["alpha", "beta"]


def test_overrides_of_one_grid_leave_the_other_alone() -> None:
    grids: list[dict[str, Any]] = [
        {"methods": ["alpha"]},
        {"methods": ["alpha"], "train": {"epochs": 9}, "options": {"alpha": {"r": 2}}},
    ]
    entry = {"alpha": {"options": {"r": 1, "drop": 0.5}, "train": {"batch_size": 7}}}
    first, second = cells(study(grids, methods=entry, train={"epochs": 2, "batch_size": 3}))
    assert (first.train.epochs, first.train.batch_size, first.method.given) == (2, 7, {"r": 1, "drop": 0.5})
    assert (second.train.epochs, second.train.batch_size, second.method.given) == (9, 7, {"r": 2, "drop": 0.5})


def test_wrong_train_override_names_the_row() -> None:
    with pytest.raises(StudyError, match="train of alpha: epochs must be at least 1, got 0"):
        cells(study({"methods": ["alpha"]}, methods={"alpha": {"train": {"epochs": 0}}}))


def test_max_length_of_a_dataset_replaces_the_study_s() -> None:
    datasets = {"short": {"hub_id": "o/d", "max_length": 16}}
    given = study({"datasets": ["short", "synthetic_stars"], "methods": ["alpha"]}, datasets=datasets)
    assert [cell.data.max_length for cell in cells(given)] == [16, 128]


class TestComparisons:
    """A comparison is of methods that the study measures; it asks for no cells and is part of none."""

    @pytest.mark.parametrize(
        ("grid", "tables"),
        [
            ({"methods": ["alpha", "beta"]}, {}),
            ({"methods": ["*"]}, {}),
            ({"methods": ["beta", "big"]}, {"methods": {"big": {"plugin": "alpha"}}}),
            ({}, {"methods": {"big": {"plugin": "alpha"}}}),
        ],
    )
    def test_of_methods_that_are_there(self, grid: dict[str, Any], tables: dict[str, Any]) -> None:
        first = "big" if "methods" in tables else "alpha"
        plain, compared = study(grid, **tables), study(grid, comparisons=[(first, "beta")], **tables)
        assert [cell.id for cell in cells(compared)] == [cell.id for cell in cells(plain)]
        assert cells(compared) == cells(plain)

    def test_over_several_grids(self) -> None:
        given = study([{"methods": ["alpha"]}, {"methods": ["beta"]}], comparisons=[("alpha", "beta")])
        assert rows(given) == ["alpha", "beta"]

    def test_of_a_method_that_fits_no_model(self) -> None:
        assert rows(study({}, comparisons=[("omega", "beta")])) == ["alpha", "beta"]

    def test_of_a_plugin_file(self) -> None:
        found = FOUND | plugins(mine="--plugin")
        given = study({"methods": ["alpha"]}, comparisons=[("mine", "alpha")])
        assert rows(given, found) == ["alpha", "mine"]
        with pytest.raises(StudyError, match="unknown method 'mine'"):
            needed_plugins(given, FOUND)

    def test_of_a_plugin_file_that_has_no_row_of_its_own(self) -> None:
        found = FOUND | plugins(mine="--plugin")
        variants = {"mine_big": {"plugin": "mine"}}
        given = study({"methods": ["mine_big", "beta"]}, methods=variants, comparisons=[("mine", "beta")])
        with pytest.raises(StudyError, match="unknown method 'mine'; did you mean 'mine_big'"):
            needed_plugins(given, found)

    @pytest.mark.parametrize(
        ("grid", "pair", "message"),
        [
            ({"methods": ["alpha", "beta"]}, ("alpha", "betta"), "'betta'; did you mean 'beta'?; known: alpha, beta"),
            ({"methods": ["alpha"]}, ("alpha", "beta"), "'beta'; known: alpha"),
            ({}, ("alfa", "beta"), "'alfa'; did you mean 'alpha'?; known: alpha, beta, omega"),
            ({}, ("*", "beta"), "'*'; known: alpha, beta, omega"),
        ],
    )
    def test_of_a_method_that_is_not(self, grid: dict[str, Any], pair: tuple[str, str], message: str) -> None:
        with pytest.raises(StudyError) as caught:
            needed_plugins(study(grid, comparisons=[pair]), FOUND)
        assert str(caught.value) == f"study s: comparisons: unknown method {message}"


class TestOfRandomWeights:
    """Their cost alone is measured, so texts need not be the real ones."""

    def source(self, **facts: Any) -> ModelSource:
        common = {"name": "m", "label": "m", "kind": "encoder", "weights": "random", "fingerprint": "f"}
        return ModelSource.model_validate(common | facts)

    def test_texts_of_the_recorded_lengths_stand_in_for_those_on_the_hub(self) -> None:
        on_hub = resolve_dataset("imdb", study({}))
        assert texts_for(self.source(), on_hub).kind == "profile"
        assert texts_for(self.source(weights="pretrained"), on_hub) is on_hub

    def test_a_dataset_of_one_s_own_is_kept_whatever_its_name(self) -> None:
        own = on_hub_as("imdb", "someone/reviews")
        assert texts_for(self.source(), own) is own

    def test_tiny_needs_them(self) -> None:
        said = r'--scale tiny needs models with random weights, got enc .*weights = "random"'
        with pytest.raises(StudyError, match=said):
            locate(study({"models": ["enc"]}), scale="tiny")


def on_hub_as(name: str, hub_id: str) -> DatasetSource:
    return resolve_dataset(name, study({}, datasets={name: {"hub_id": hub_id, "labels": ["a", "b"]}}))


def test_class_weights_of_a_causal_model_are_refused_by_name() -> None:
    """It is trained on tokens; a method that trains nothing is not asked."""
    weighted = {"train": {"class_weights": "balanced"}}
    with pytest.raises(
        StudyError, match=r'class_weights = "balanced" is for encoders, got it for beta on gen, a causal'
    ):
        cells(study({"models": ["gen"], "methods": ["beta"]}, **weighted))
    assert rows(study({"models": ["gen"], "methods": ["omega"]}, **weighted)) == ["omega"]
    unlike: list[dict[str, Any]] = [{"models": ["enc"], **weighted}, {"models": ["gen"]}]
    unlike = [grid | {"methods": ["beta"]} for grid in unlike]
    assert [cell.train.class_weights for cell in cells(study(unlike))] == ["balanced", "none"]
