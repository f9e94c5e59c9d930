"""A study file: what is accepted, what is refused, and in which words."""

import datetime
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench.errors import StudyError, UnknownNameError
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
        (GRID + "[datasets.own]\npth = 'x'", ["datasets.own.pth: unknown key", "did you mean 'path'?"]),
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
            'train: keep = "best" needs validation points: set validation_points to at least 1',
        ),
        (
            GRID + "[train]\nearly_stopping_patience = 2",
            "train: early_stopping_patience needs validation points: set validation_points to at least 1",
        ),
        (GRID + "[train]\nlabel_smoothing = 1", "train.label_smoothing must be below 1, got 1"),
        (GRID + "[train]\nclass_weights = 'even'", "train.class_weights must be 'none' or 'balanced', got 'even'"),
        (GRID + "[data]\nvalidation_fraction = 1.0", "data.validation_fraction must be below 1, got 1.0"),
        (GRID + "[train]\nmax_grad_norm = inf", "train.max_grad_norm must be a finite number, got inf"),
        (GRID + "[train]\nprecision = 'fp8'", "train.precision must be 'auto', 'bf16', 'fp16' or 'fp32', got 'fp8'"),
        (GRID + "seeds = [-1]", "grid.0: seeds must be at least 0 and below 2**31"),
        (GRID + "seeds = [1, 1]", "grid.0: seeds lists the same value twice"),
        ('[[grid]]\ndatasets = ["d", "d"]\nmodels = ["m"]', "grid.0: datasets lists the same value twice"),
        ('[[grid]]\ndatasets = ["d"]', "grid.0.models is required"),
        ("", "grid is required"),
        ("grid = []", "grid must have at least 1 item, got []"),
        ("name = 'a/b'\n" + GRID, "name must match pattern '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$', got 'a/b'"),
        ("schema_version = 2\n" + GRID, "schema_version must be 1, got 2"),
        (
            "comparisons = [['a', 'a']]\n" + GRID,
            "comparisons: 'a' is compared with itself; name another method, got [['a', 'a']]",
        ),
        (
            "comparisons = [['a', 'b'], ['b', 'a']]\n" + GRID,
            "comparisons: 'b' and 'a' are compared twice, got [['a', 'b'], ['b', 'a']]",
        ),
        (GRID + "[datasets.own]\npath = 'x'\nhub_id = 'a/b'", "datasets.own: give exactly one of path and hub_id"),
        (
            GRID + "[models.own]\nbase = 'x'\nhub_id = 'a/b'",
            "models.own: give exactly one of path, hub_id, base and architecture",
        ),
        (
            GRID + "[models.own]\narchitecture = { model_type = 'bert' }",
            'models.own: architecture needs weights = "random", because it comes without weights',
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
    "content", ["epochs = 1\nepochs = 2", "epochs = '''", "[a]\n[a]", "x = [1", "\0", "a = " + "[" * 20_000, "= 1"]
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


def test_the_toml_writer_of_the_tests_writes_what_toml_reads() -> None:
    value = {"a": [1, {"é\n": True}], "b": 1.5, "c": {"d": float("-inf"), "": 2**70}, "e": datetime.date(2026, 1, 2)}
    assert tomllib.loads(toml(value)) == value


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_devices(device: str) -> None:
    assert study(device=device).device == device


@pytest.mark.parametrize("device", ["mps", "gpu", "cuda:", "cuda:-1", "cuda:01", "cuda:1000", "CUDA", "cuda:1 ", ""])
def test_other_devices_are_refused_and_those_that_do_are_named(tmp_path: Path, device: str) -> None:
    said = refused(tmp_path, f"device = '{device}'\n{GRID}")
    assert said == (
        f'device: must be "auto", "cpu", "cuda" or "cuda:N", the GPU of index N, e.g. "cuda:1", got {device!r}'
    )
