"""Study files from elsewhere: each is a plan or a clear error, whatever it holds."""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.data.synthetic import TASKS
from bench.errors import RequestError
from bench.method import registry
from bench.record.run_folder import CELL_ID, RunFolder
from bench.study.cell import Cell
from bench.study.grid import expand, needed_plugins
from bench.study.sources import locate
from bench.study.study import load_study, shipped_studies
from tests.security.hostile import assert_clear, spoiled
from tests.support import TEST_ROWS, TRAIN_ROWS, toml, write_texts

FOUND = registry.find()
#: As the methods would describe themselves; they are not imported here.
SAYS = {name: {"label": name, "kinds": ["encoder", "causal"][: 1 + at % 2], "trains": True}
        for at, name in enumerate(FOUND)} | {"broken": {"error": "method broken: does not import"}}  # fmt: skip
#: Events of Python's audit that change files, start processes or ask the network; opening to write is looked at apart.
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
           "os.utime", "os.system", "os.exec", "subprocess.", "socket.connect")  # fmt: skip

changed: list[str] | None = None


def _watch(name: str, arguments: tuple[Any, ...]) -> None:
    if changed is None:
        return
    writes = name == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or name.startswith(CHANGES):
        changed.append(f"{name} {arguments}")


sys.addaudithook(_watch)


@contextmanager
def nothing_changes() -> Iterator[None]:
    """No file is made, changed or removed inside, no process started, nothing asked over the network."""
    global changed
    changed = []
    try:
        yield
        assert changed == []
    finally:
        changed = None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of studies, beside whole and broken folders that they may name; ``nothing_changes`` may begin."""
    folder = tmp_path_factory.mktemp("place") / "studies"
    write_texts(folder / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    write_texts(folder / "half", train=TRAIN_ROWS)
    for name, config in (("model", '{"architectures": ["XForMaskedLM"], "model_type": "x"}'), ("odd", "[" * 9)):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(config)
        (folder / name / "model.safetensors").write_bytes(b"never read here")
    (folder / "dangling").mkdir()
    (folder / "dangling" / "config.json").write_text("{}")
    (folder / "dangling" / "model.safetensors").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "file").write_text("x")
    assert TASKS  # imported before anything is watched
    outcome(folder, toml({"name": "warm", **VALID}).encode())
    return folder


DATASETS = ("synthetic_polarity", "synthetic_stars", "sst5", "own", "far", "./reviews", "owner/data")
MODELS = ("minilm", "roberta-base", "llama-3-8b-instruct", "enc", "gen", "vary", "./model", "owner/model")
VALID: dict[str, Any] = {
    "title": "A title", "notes": "Notes.", "device": "cpu",
    "grid": [
        {"datasets": ["synthetic_polarity"], "models": ["enc"], "seeds": [0, 1]},
        {"datasets": ["own", "far"], "models": ["gen"], "methods": ["*"], "data": {"max_length": 64},
         "train": {"epochs": 1, "max_grad_norm": 0.5}, "prompt": {"generate": False}, "options": {"lora": {"r": 4}}},
    ],
    "data": {"max_length": 128, "validation_fraction": 0.1}, "train": {"batch_size": 8, "schedule": "linear"},
    "prompt": {"instruction": "Say {labels}."}, "limits": {"cell_timeout_seconds": 60},
    "prompts": {"synthetic_polarity": {"label_words": ["a", "b"]}},
    "datasets": {"own": {"path": "reviews", "labels": ["a", "b"]}, "far": {"hub_id": "owner/data", "revision": "main"}},
    "models": {"enc": {"path": "model"}, "gen": {"hub_id": "owner/gen", "kind": "causal", "bits": 4},
               "vary": {"base": "minilm", "weights": "random", "scale": "tiny"}},
    "methods": {"big": {"plugin": "lora", "label": "Big", "options": {"r": 8}, "train": {"epochs": 2}}},
    "comparisons": [["big", "lora"]],
}  # fmt: skip


def outcome(folder: Path, content: bytes, to_plan: bool = True) -> str:
    """``plan``, or the error that a study file ends in; both are held to what they must be."""
    path, runs = folder / "any.toml", folder.parent / "runs"
    path.write_bytes(content)
    with nothing_changes():
        try:
            study = load_study(str(path))
            needed_plugins(study, FOUND)
            cells = expand(study, FOUND, SAYS, locate(study, weights_needed=not to_plan), to_plan=to_plan)
        except RequestError as error:
            assert_clear(str(error))
            return f"{type(error).__name__}: {error}"
    assert (runs / study.name).resolve().parent == runs
    for cell in cells:
        assert_inside(RunFolder(runs / study.name), cell)
    return "plan"


def assert_inside(run: RunFolder, cell: Cell) -> None:
    """The cell's folder is one of the run's own, by a name that every file system takes."""
    folder = run.cell(cell.id).path
    assert CELL_ID.fullmatch(cell.id)
    assert len(cell.id) <= 200
    assert folder == folder.resolve()
    assert folder.parent == run.cells
    assert Cell.model_validate_json(cell.model_dump_json()).id == cell.id


def test_any_content_is_a_plan_or_a_clear_error(place: Path) -> None:
    ends = []
    for seed in range(200):
        rng = random.Random(seed)
        names = {key: rng.sample(known, 2) for key, known in (("datasets", DATASETS), ("models", MODELS))}
        first, second = VALID["grid"]
        content = spoiled({"name": "s", **VALID, "grid": [first, second | names]}, rng)
        ends.append(outcome(place, toml(content).encode(), to_plan=rng.random() < 0.5) == "plan")
    assert 10 < sum(ends) < 190


SHIPPED = [path.read_bytes() for path in shipped_studies().values()]
#: What stopped the reader once: keys of thousands of parts, numbers of thousands of digits, thousands of wrong keys.
HUGE = (
    b"a." * 3000 + b"b = 1\n", b"[" + b"a." * 3000 + b"b]\n", b"[train]\n" + b"a." * 400 + b"b = 1\n",
    b"[methods.big.options]\nr = 0x" + b"f" * 5000 + b"\n", b"x = " + b"9" * 5000 + b"\n",
    b"x = " + b"[" * 900 + b"]" * 900,
    b"[methods.big.options]\nr = " + b"{a = " * 200 + b"1" + b"}" * 200 + b"\n", b'"\\u001b[31m" = 1\n',
    b"".join(b"k%d = 1\n" % at for at in range(3000)), b"x = [" + b'"",' * 5000 + b"]\n",
    b'"' + b"x" * 100_000 + b'" = 1\n',
    b"[[grid]]\ndatasets = [" + b'"",' * 5000 + b"]\nmodels = []\n",
)  # fmt: skip


@pytest.mark.parametrize("piece", HUGE, ids=range(len(HUGE)))
def test_what_stopped_the_reader_once(place: Path, piece: bytes) -> None:
    for content in (SHIPPED[0] + b"\n" + piece, piece + b"\n" + SHIPPED[0]):
        assert outcome(place, content).startswith("StudyError: ")


def test_a_file_that_is_too_large_is_not_parsed(place: Path) -> None:
    assert "must have at most 1000000 bytes, got 1000001" in outcome(place, b"#" * 1_000_001)


def test_a_grid_that_would_take_hours_to_spell_out(place: Path) -> None:
    seeds = ", ".join(map(str, range(30_000)))
    grid = f'[[grid]]\ndatasets = ["sst5", "imdb"]\nmodels = ["minilm"]\nmethods = ["lora"]\nseeds = [{seeds}]\n'
    assert "grid must have at most 50000 cells, got up to 60000; split it" in outcome(place, grid.encode())
