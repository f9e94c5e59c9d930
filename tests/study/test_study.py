"""A study file: what is accepted, what is refused, and in which words."""

import datetime
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.errors import StudyError, UnknownNameError
from bench.study.settings import TrainSettings
from bench.study.study import Study, load_study, shipped_studies
from tests.support import toml

GRID = '[[grid]]\ndatasets = ["d"]\nmodels = ["m"]\n'


def refused(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "mine.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(StudyError) as caught:
        load_study(str(path))
    message = str(caught.value)
    assert all(line.startswith(f"{path}: ") for line in message.splitlines()), message
    return message.replace(f"{path}: ", "")


def study(**tables: Any) -> Study:
    return Study.model_validate({"name": "s", "grid": [{"datasets": ["d"], "models": ["m"]}], **tables})


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_study_loads_by_name_and_by_path(name: str) -> None:
    by_name = load_study(name)
    assert by_name.name == name
    assert by_name.title
    by_path = load_study(str(shipped_studies()[name]))
    assert by_path.model_dump() == by_name.model_dump()
    assert (by_name.folder, by_path.folder) == (Path(), shipped_studies()[name].parent)


def test_name_is_the_stem_where_none_is_given(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GRID)
    assert load_study(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("titel = 't'\n" + GRID, ["titel: unknown key 'titel'", "did you mean 'title'?"]),
        (GRID + "[train]\nbatchsize = 3", ["train.batchsize: unknown key", "did you mean 'batch_size'?"]),
        (GRID + "[data]\nzzz = 3", ["data.zzz: unknown key 'zzz'", "known: evaluate_split"]),
        (GRID + "seed = [1]", ["grid.0.seed: unknown key 'seed'", "did you mean 'seeds'?"]),
        (GRID + "[datasets.own]\npth = 'x'", ["datasets.own.pth: unknown key", "did you mean 'path'?"]),
        (GRID + "[models.own]\nweigths = 'random'\nhub_id='a/b'", ["models.own.weigths", "did you mean 'weights'?"]),
        ("comparison = [['a', 'b']]\n" + GRID, ["comparison: unknown key", "did you mean 'comparisons'?"]),
        (GRID + "[methods.big]\noption = {}", ["methods.big.option: unknown key", "did you mean 'options'?"]),
    ],
)
def test_unknown_key_names_its_place_and_the_nearest(tmp_path: Path, content: str, words: list[str]) -> None:
    message = refused(tmp_path, content)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GRID + "[train]\nbatch_size = 0", "train.batch_size must be at least 1, got 0"),
        (
            GRID + "[train]\nkeep = 'best'",
            'train: keep = "best" needs validation points: set validation_points to at least 1 beside it',
        ),
        (
            GRID + "[train]\nearly_stopping_patience = 2",
            "train: early_stopping_patience needs validation points: set validation_points to at least 1 beside it",
        ),
        (GRID + "[train]\nearly_stopping_patience = 0", "train.early_stopping_patience must be at least 1, got 0"),
        (GRID + "[train]\nlabel_smoothing = 1", "train.label_smoothing must be below 1, got 1"),
        (GRID + "[train]\nlabel_smoothing = -0.1", "train.label_smoothing must be at least 0, got -0.1"),
        (GRID + "[train]\nclass_weights = 'even'", "train.class_weights must be 'none' or 'balanced', got 'even'"),
        (GRID + "[data]\nmax_length = 200000", "data.max_length must be at most 131072, got 200000"),
        (GRID + "[limits]\ncell_timeout_seconds = 0", "limits.cell_timeout_seconds must be above 0, got 0"),
        (GRID + "[data]\nvalidation_fraction = 1.0", "data.validation_fraction must be below 1, got 1.0"),
        (GRID + "[train]\nmax_grad_norm = inf", "train.max_grad_norm must be a finite number, got inf"),
        (GRID + "[train]\nvalidation_points = 51", "train.validation_points must be at most 50, got 51"),
        (GRID + "[train]\nprecision = 'fp8'", "train.precision must be 'auto', 'bf16', 'fp16' or 'fp32', got 'fp8'"),
        (GRID + "seeds = [-1]", "grid.0: seeds must be at least 0 and below 2**31"),
        (GRID + "seeds = [2147483648]", "grid.0: seeds must be at least 0 and below 2**31"),
        (GRID + "seeds = [1, 1]", "grid.0: seeds lists the same value twice"),
        ('[[grid]]\ndatasets = ["d", "d"]\nmodels = ["m"]', "grid.0: datasets lists the same value twice"),
        ('[[grid]]\ndatasets = ["d"]', "grid.0.models is required"),
        ("", "grid is required"),
        ("grid = []", "grid must have at least 1 item, got []"),
        ("name = 'a/b'\n" + GRID, "name must match pattern '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$', got 'a/b'"),
        ("schema_version = 2\n" + GRID, "schema_version must be 1, got 2"),
        ("comparisons = ['ab']\n" + GRID, "comparisons.0 must be a valid array, got 'ab'"),
        ("comparisons = [['a']]\n" + GRID, "comparisons.0.1 is required"),
        ("comparisons = [['a', 3]]\n" + GRID, "comparisons.0.1 must be a valid string, got 3"),
        (
            "comparisons = [['a', 'b', 'c']]\n" + GRID,
            "comparisons.0 must have at most 2 items, got ['a', 'b', 'c']",
        ),
        (
            "comparisons = [['a', 'a']]\n" + GRID,
            "comparisons: a method is compared with another one, not 'a' with itself, got [['a', 'a']]",
        ),
        (
            "comparisons = [['a', 'b'], ['b', 'a']]\n" + GRID,
            "comparisons: 'b' and 'a' are compared twice, got [['a', 'b'], ['b', 'a']]",
        ),
        (GRID + "[datasets.own]\npath = 'x'\nhub_id = 'a/b'", "datasets.own: give exactly one of path and hub_id"),
        (GRID + "[datasets.own]\n", "datasets.own: give exactly one of path and hub_id"),
        (
            GRID + "[models.own]\nbase = 'x'\nhub_id = 'a/b'",
            "models.own: give exactly one of path, hub_id, base and architecture",
        ),
        (
            GRID + "[models.own]\narchitecture = { model_type = 'bert' }",
            'models.own: architecture needs weights = "random": there are no weights beside it',
        ),
        (
            GRID + "[train]\nprecision = 'fp16'\nweights_storage = 'true'",
            'train: weights_storage = "true" needs precision "bf16": updates of fp16 weights underflow',
        ),
    ],
)
def test_broken_rule_says_key_rule_and_value(tmp_path: Path, content: str, message: str) -> None:
    assert refused(tmp_path, content) == message


@pytest.mark.parametrize(
    "content",
    ["epochs = 1\nepochs = 2", "epochs = '''", "[a]\n[a]", "x = [1", "\0", "a = " + "[" * 20_000, "= 1"],
)
def test_not_toml(tmp_path: Path, content: str) -> None:
    assert refused(tmp_path, content).startswith("not valid TOML: ")


def test_not_utf8(tmp_path: Path) -> None:
    assert refused(tmp_path, b"title = '\xff'") == "not UTF-8 text (byte 9)"


def test_every_broken_rule_is_told_at_once(tmp_path: Path) -> None:
    lines = refused(tmp_path, GRID + "[train]\nepochs = 0\nbatch_size = 0\nsteps = 1").splitlines()
    assert len(lines) == 3


@pytest.mark.parametrize("reference", ["dmo", "/nowhere/at/all.toml", ".", "", "a\0b"])
def test_missing_study_names_the_shipped_ones(reference: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown study") as caught:
        load_study(reference)
    assert "demo" in str(caught.value)


HOSTILE_NAMES = ["../x", "/etc", ".hidden", "", "a/b", "a\\b", "a b", "a\n", "<b>", "x" * 65, "é", "-x", "a\x00"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_that_are_no_folder_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        study(name=name)
    with pytest.raises(ValidationError):
        study(methods={name: {}})
    with pytest.raises(ValidationError):
        study(methods={"fine": {"plugin": name}})


def test_a_study_does_not_change() -> None:
    with pytest.raises(ValidationError):
        study().name = "other"  # type: ignore[misc]


def test_train_settings_merge_study_then_grid_then_method() -> None:
    given_study = study(
        train={"epochs": 1, "batch_size": 1, "warmup_fraction": 0.5},
        grid=[{"datasets": ["d"], "models": ["m"], "train": {"epochs": 2, "batch_size": 2}}],
        methods={"x": {"train": {"epochs": 3}}},
    )
    merged = given_study.train_settings(given_study.grid[0], given_study.methods["x"], "here")
    assert (merged.epochs, merged.batch_size, merged.warmup_fraction) == (3, 2, 0.5)
    assert merged.schedule == TrainSettings().schedule
    plain = given_study.train_settings(given_study.grid[0], None, "here")
    assert (plain.epochs, plain.batch_size) == (2, 2)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"epochs": 0}, "here: epochs must be at least 1, got 0"),
        ({"epoch": 1}, "here: epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        ({"max_steps": "many"}, "here: max_steps must be a valid integer"),
    ],
)
def test_a_wrong_override_says_where(override: dict[str, Any], message: str) -> None:
    given_study = study(methods={"x": {"train": override}})
    with pytest.raises(StudyError) as caught:
        given_study.train_settings(given_study.grid[0], given_study.methods["x"], "here")
    assert str(caught.value).startswith(message)


KEYS = st.sampled_from(
    [*Study.model_fields, *TrainSettings.model_fields, "path", "hub_id", "base", "options", "plugin", "../x", "", "é"]
)
LEAVES = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.sampled_from(["random", "*", "../x"]),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
GRIDS = st.lists(
    st.dictionaries(st.sampled_from(["datasets", "models", "seeds", "methods", "train"]), VALUES), max_size=2
)


def test_the_toml_writer_of_the_tests_writes_what_toml_reads() -> None:
    value = {"a": [1, {"é\n": True}], "b": 1.5, "c": {"d": float("-inf"), "": 2**70}, "e": datetime.date(2026, 1, 2)}
    assert tomllib.loads(toml(value)) == value


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(KEYS, VALUES, max_size=5), grid=st.none() | GRIDS)
def test_any_content_is_a_study_or_a_study_error(tmp_path: Path, content: dict[str, Any], grid: Any) -> None:
    path = tmp_path / "any.toml"
    whole = content if grid is None else content | {"grid": grid}
    path.write_text(toml(whole), encoding="utf-8")
    message = ""
    try:
        assert isinstance(load_study(str(path)), Study)
    except StudyError as error:
        message = str(error)
    assert not message or message.startswith(f"{path}: ")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text(alphabet='[]{}="\n.#a1\\u', max_size=60).map(str.encode))
def test_any_bytes_are_a_study_or_a_study_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=r"any\.toml"):
        load_study(str(path))


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_devices(device: str) -> None:
    assert study(device=device).device == device


@pytest.mark.parametrize("device", ["mps", "gpu", "cuda:", "cuda:-1", "cuda:01", "cuda:1000", "CUDA", "cuda:1 ", ""])
def test_other_devices_are_refused_and_those_that_do_are_named(tmp_path: Path, device: str) -> None:
    said = refused(tmp_path, f"device = '{device}'\n{GRID}")
    assert said == (
        f'device: must be "auto", "cpu", "cuda" or "cuda:N", the GPU of index N, e.g. "cuda:1", got {device!r}'
    )
