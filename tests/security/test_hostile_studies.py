"""Study files from elsewhere: each is a plan or a clear error, whatever it holds.

By hand, ten thousand of each kind: TUNEBENCH_EXAMPLES=10000 pytest tests/security/test_hostile_studies.py -n 0
--hypothesis-show-statistics -o timeout=3600
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bench.data.synthetic import TASKS
from bench.errors import RequestError, StudyError
from bench.method import registry
from bench.record.run_folder import CELL_ID, RunFolder
from bench.study.cell import Cell
from bench.study.grid import expand, needed_plugins
from bench.study.sources import locate
from bench.study.study import load_study, shipped_studies
from tests.security.hostile import DATES, NASTY, TEXTS, VALUES, assert_clear, examples, spoiled
from tests.support import TEST_ROWS, TRAIN_ROWS, toml, write_texts

FOUND = registry.find()
#: As the methods would describe themselves; they are not imported here.
SAYS = {name: {"label": name, "kinds": ["encoder", "causal"][: 1 + at % 2], "trains": True}
        for at, name in enumerate(FOUND)} | {"broken": {"error": "method broken: does not import"}}  # fmt: skip
#: Events of Python's audit that change the file system, but for opening a file to write, which is looked at apart.
CHANGES = {
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.utime",
}

changed: list[str] | None = None


def _watch(name: str, arguments: tuple[Any, ...]) -> None:
    if changed is None:
        return
    writes = name == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if (
        writes
        or name in CHANGES
        or name.startswith("subprocess.")
        or name in ("os.system", "os.exec", "socket.connect")
    ):
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
SLUGS = st.sampled_from(["own", "big", "enc", "lora", "data", "train", "demo", "a_b", "a.b", "A_B", "x" * 64])
FROM_HERE = st.sampled_from([*DATASETS, *MODELS, "half", "odd", "dangling", "loop", "file", "model/config.json", "."])
ENTRY = st.fixed_dictionaries(
    {}, optional={"path": FROM_HERE | TEXTS, "hub_id": TEXTS, "base": SLUGS | TEXTS, "label": TEXTS}
)
SWAPPED = (
    VALUES
    | DATES
    | SLUGS
    | FROM_HERE
    | st.dictionaries(SLUGS, ENTRY, max_size=2)
    | st.lists(FROM_HERE | SLUGS, max_size=3)
)


@st.composite
def studies(draw: st.DrawFn) -> Any:
    """The content of a study file: whole, or with a few of its values spoiled."""
    names = {
        key: draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        for key, known in (("datasets", DATASETS), ("models", MODELS))
    }
    first, second = VALID["grid"]
    return draw(spoiled({**VALID, "grid": [first, second | names]}, SWAPPED))


def outcome(folder: Path, content: bytes, to_plan: bool = True, told: bool = True) -> str:
    """``plan`` or the name of the error that a study file ends in; both are held to what they must be."""
    path = folder / "any.toml"
    path.write_bytes(content)
    runs = folder.parent / "runs"
    with nothing_changes():
        try:
            study = load_study(str(path))
            needed_plugins(study, FOUND)
            cells = expand(study, FOUND, SAYS, locate(study, weights_needed=not to_plan), to_plan=to_plan)
        except RequestError as error:
            assert_clear(str(error))
            if not told:
                raise
            return type(error).__name__
    assert runs / study.name == (runs / study.name).resolve()
    assert (runs / study.name).parent == runs
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


@examples(500)
@given(content=studies(), to_plan=st.booleans())
def test_any_content_is_a_plan_or_a_clear_error(place: Path, content: dict[str, Any], to_plan: bool) -> None:
    if not isinstance(content, dict):
        content = {"grid": content}
    event(outcome(place, toml(content).encode(), to_plan))


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
PIECES = [
    *(text.encode() for text in NASTY), *HUGE, b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\r\n", b'"""', b"'''",
    b"[[grid]]\n", b"[grid]\n", b"[train]\n", b"{", b"}", b"]", b" = ", b"=", b"#", b".", b",", b"0x" + b"f" * 5000,
    b"9" * 5000, b"1e999", b"-nan", b"2026-13-45", b"1979-05-27T07:32:00Z",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A shipped study in which pieces were cut out, repeated, moved or put in."""
    text = draw(st.sampled_from(SHIPPED))
    for _ in range(draw(st.integers(0, 5))):
        lines = draw(st.booleans())
        units = text.splitlines(keepends=True) if lines else [text[at : at + 1] for at in range(len(text))]
        start = draw(st.integers(0, len(units)))
        stop = min(len(units), start + draw(st.integers(0, 4)))
        way = draw(st.sampled_from(["cut", "repeat", "move", "put in", "replace"]))
        before, middle, after = units[:start], units[start:stop], units[stop:]
        piece = [draw(st.sampled_from(PIECES) | st.binary(max_size=4))] if way in ("put in", "replace") else []
        middle = {"repeat": middle * 2, "put in": [*piece, *middle], "replace": piece}.get(way, [])
        moved = units[start:stop] if way == "move" else []
        text = b"".join([*moved, *before, *middle, *after])
    return text


@examples(250)
@given(content=mutated(), to_plan=st.booleans())
def test_any_change_of_a_shipped_study_is_a_plan_or_a_clear_error(place: Path, content: bytes, to_plan: bool) -> None:
    event(outcome(place, content, to_plan))


@pytest.mark.parametrize("piece", HUGE, ids=range(len(HUGE)))
def test_what_stopped_the_reader_once(place: Path, piece: bytes) -> None:
    for content in (SHIPPED[0] + b"\n" + piece, piece + b"\n" + SHIPPED[0]):
        assert outcome(place, content) == "StudyError"


def test_a_file_that_is_too_large_is_not_parsed(place: Path) -> None:
    with pytest.raises(StudyError, match="must have at most 1000000 bytes, got 1000001"):
        outcome(place, b"#" * 1_000_001, told=False)


def test_a_grid_that_would_take_hours_to_spell_out(place: Path) -> None:
    seeds = ", ".join(map(str, range(30_000)))
    grid = f'[[grid]]\ndatasets = ["sst5", "imdb"]\nmodels = ["minilm"]\nmethods = ["lora"]\nseeds = [{seeds}]\n'
    with pytest.raises(StudyError, match="grid must have at most 50000 cells, got up to 60000; split it"):
        outcome(place, grid.encode(), told=False)
