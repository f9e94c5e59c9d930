"""Run folders, reports and studies from elsewhere: each verb ends in an answer or a clear error."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bench.commands.cli import main
from bench.errors import RequestError
from bench.method import registry
from bench.method.insight import Insight
from bench.record.files import write_files
from bench.record.run_folder import RunFolder
from bench.report.results import archive
from tests.report.conftest import make_record as make_record
from tests.report.drawn import written
from tests.report.predicted import TRUTH, Cells, flipped, results, study
from tests.security.hostile import TEXTS, VALUES, examples, spoiled
from tests.support import toml

#: Whole files are drawn from.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


class Files(dict[str, Any]):
    """Content of files by path; hypothesis would write all of them down where a test fails."""

    def __repr__(self) -> str:
        return f"{len(self)} files"


Said = Callable[[], tuple[str, str]]
CHART = {"kind": "bars", "x": "expert", "y": "tokens", "x_label": "expert", "y_label": "tokens"}
PART = {"name": "tokens", "title": "Tokens", "caption": "n = 3.", "columns": {"expert": ["a", "b"], "tokens": [1, 2]}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run folder of two methods and two seeds by file; of ``cells`` the first has figures too."""
    folder = RunFolder(tmp_path_factory.mktemp("whole") / "run")
    cells = Cells(make_record.__wrapped__(), folder.cells)  # type: ignore[attr-defined]
    measured = [
        cells.measured(predicted, method=method, seed=seed)
        for seed, predicted in enumerate((list(TRUTH), flipped(3)))
        for method in ("LoRA", "BitFit")
    ]
    run = {
        "schema_version": 1, "study": study(("LoRA", "BitFit")), "command": "tunebench run s",
        "written_at": "2026-01-02",
        "cell_ids": [record.cell_id for record, _ in measured],
        "methods": {"LoRA": {"sha256": "0", "says": {"label": "LoRA", "kinds": ["encoder"], "trains": True}}},
    }  # fmt: skip
    write_files(folder.path, archive.texts(results(run, *measured)))
    files = Files(
        {
            "run.json": run,
            "study.json": json.loads((folder.path / "study.json").read_text()),
            "records.jsonl": (folder.path / "records.jsonl").read_bytes(),
            "evidence.jsonl": (folder.path / "evidence.jsonl").read_bytes(),
        }
    )
    for record, _ in measured:
        files[f"cells/{record.cell_id}/record.json"] = record.model_dump(mode="json")
        files[f"cells/{record.cell_id}/cell.json"] = record.cell.model_dump(mode="json")
        files[f"cells/{record.cell_id}/predictions.jsonl"] = cells.of(record).predictions.read_bytes()
    files[f"cells/{measured[0][0].cell_id}/insights.json"] = {"parts": [PART]}
    return files


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Said:
    """What was printed since the last call; commands run in ``tmp_path / "here"``, which nothing may leave."""
    (tmp_path / "here").mkdir()
    (tmp_path / "canary").write_text("sings")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "160")

    def read() -> tuple[str, str]:
        out, err = capsys.readouterr()
        return out, err

    return read


def laid(files: dict[str, Any], name: str, content: Any) -> None:
    """The files of a run folder, one of them with another content, in ``run`` here; reports of before are gone."""
    shutil.rmtree("reports", ignore_errors=True)
    for place, whole in files.items():
        path = Path("run") / place
        path.parent.mkdir(parents=True, exist_ok=True)
        value = content if place == name else whole
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode("utf-8", "surrogatepass"))


def ends_well(arguments: list[str], said: Said) -> int:
    """The exit code of a command, which ended in an answer or a clear error and wrote in ``here/reports`` alone."""
    code = main(arguments)
    out, err = said()
    assert code in (0, 1, 2, 3)
    assert (code == 2) == err.startswith("tunebench: "), err
    for text in (out, err):
        assert [char for char in text if not char.isprintable()].count("\n") == sum(
            not char.isprintable() for char in text
        )
    assert len(err) < 20_000
    assert len(err.splitlines()) < 60
    here = Path.cwd()
    assert {path.name for path in here.iterdir()} <= {"run", "reports"}
    assert {path.name for path in here.parent.iterdir()} == {"here", "canary"}
    assert (here.parent / "canary").read_text() == "sings"
    for path in here.glob("reports/*"):
        assert path.is_dir()
    return code


@st.composite
def damaged(draw: st.DrawFn, files: dict[str, Any], name: str) -> Any:
    """Another content of one of the files: spoiled values, or bytes that were cut, changed or put in."""
    whole = files[name]
    if isinstance(whole, bytes) and draw(st.booleans()):
        lines = [json.loads(line) for line in whole.splitlines()]
        spoilt = draw(spoiled(lines))
        return (
            b"\n".join(json.dumps(line).encode("utf-8", "surrogatepass") for line in spoilt)
            if isinstance(spoilt, list)
            else b""
        )
    if isinstance(whole, bytes) or draw(st.integers(0, 9)) == 0:
        raw = whole if isinstance(whole, bytes) else json.dumps(whole).encode()
        at = draw(st.integers(0, len(raw)))
        return (
            raw[:at]
            + draw(st.binary(max_size=3) | st.sampled_from([b"[" * 50_000, b"9" * 5000, b'"\\ud800"']))
            + raw[at + 1 :]
        )
    return draw(spoiled(whole, VALUES | st.just("\ud800")))


def of_run(files: dict[str, Any], last: str) -> str:
    """The name of a file of the first cell."""
    return next(name for name in files if name.endswith(last))


@pytest.mark.parametrize("file", ["run.json", "record.json", "insights.json", "predictions.jsonl"])
@examples(40)
@given(data=st.data())
def test_report(whole: dict[str, Any], said: Said, file: str, data: st.DataObject) -> None:
    name = of_run(whole, file)
    # Without what takes most of the time, where it is not what is looked at.
    files = Files(pair for pair in whole.items() if file == "insights.json" or "insights" not in pair[0])
    if file != "predictions.jsonl":
        files["run.json"] = files["run.json"] | {"study": study()}
    shutil.rmtree("run", ignore_errors=True)
    laid(files, name, data.draw(damaged(files, name)))
    event(f"exit code {ends_well(['report', 'run'], said)}")


NUMBERS = (0, -1, 2**62, 2**64, 10**400, 0.0, -1.5, 5e-324, 1e18, 1e308)


@examples(40)
@given(data=st.data(), values=st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3))
def test_report_of_numbers_that_cannot_be(
    whole: dict[str, Any], said: Said, data: st.DataObject, values: list[float]
) -> None:
    name = of_run(whole, "record.json")
    record = json.loads(json.dumps(whole[name]))
    for value in values:
        inside, key = data.draw(st.sampled_from([*numbers(record)]))
        inside[key] = int(value) if type(inside[key]) is int and abs(value) < 1e300 else value
    laid(whole, name, record)
    assert ends_well(["report", "run"], said) == 0


def numbers(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every number inside, as the table or list that holds it and its place there."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        if type(value) in (int, float) and key != "schema_version":
            yield content, key
        yield from numbers(value)


@pytest.mark.parametrize("file", ["run.json", "record.json", "cell.json"])
@examples(20)
@given(data=st.data(), part=st.sampled_from(["s0", "LoRA", "../", "", "/etc"]) | TEXTS)
def test_explain(whole: dict[str, Any], said: Said, file: str, data: st.DataObject, part: str) -> None:
    """It never comes to a model here: the method of the cell is not one that is installed."""
    name = of_run(whole, file)
    laid(whole, name, data.draw(damaged(whole, name)))
    assert ends_well(["explain", "run", "--", part, "a text"], said) == 2


@pytest.mark.parametrize("file", ["study.json", "records.jsonl", "run.json", "record.json"])
@examples(20)
@given(data=st.data())
def test_compare(whole: dict[str, Any], said: Said, file: str, data: st.DataObject) -> None:
    name = of_run(whole, file)
    files = Files(pair for pair in whole.items() if file not in ("study.json", "records.jsonl") or "/" not in pair[0])
    if file in ("study.json", "records.jsonl"):
        del files["run.json"]
    shutil.rmtree("run", ignore_errors=True)
    laid(files, name, data.draw(damaged(whole, name)))
    event(f"exit code {ends_well(['compare', 'run', 'run', '--all'], said)}")


KINDS = st.sampled_from(["heatmap", "bars", "lines", "scatter"])
COLUMN = st.lists(
    TEXTS
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.none()
    | st.sampled_from([10**300, -(2**70)]),
    max_size=6,
)


@examples(25)
@given(kind=KINDS, columns=st.fixed_dictionaries(dict.fromkeys("xyvcp", COLUMN)), text=TEXTS, extra=st.booleans())
def test_figures(kind: str, columns: dict[str, Any], text: str, extra: bool) -> None:
    """Any insight that is valid is drawn, with whatever its columns hold."""
    length = min(map(len, columns.values()))
    chart = {"kind": kind, "x": "x", "y": "y", "value": "v", "x_label": text, "y_label": text, "value_label": text}
    more = {"colour": "c", "panel": "p"} if extra else {}
    columns = {name: values[:length] for name, values in columns.items()}
    part = Insight.model_validate(
        PART | {"title": text[:200], "caption": text, "columns": columns, "chart": chart | more}
    )
    found = written(part, "folder")
    assert list(found) == ["folder/tokens.svg", "folder/tokens.png", "folder/tokens.csv"]
    assert found["folder/tokens.png"].startswith(b"\x89PNG")
    ElementTree.fromstring(found["folder/tokens.svg"])


TINY: dict[str, Any] = {
    "name": "s",
    "grid": [{"datasets": ["synthetic_polarity"], "models": ["mine"], "methods": ["full_ft", "lora"], "seeds": [0]}],
    "models": {"mine": {"base": "minilm", "weights": "random", "scale": "tiny"}},
    "data": {"max_length": 16, "validation_fraction": 0.1},
    "train": {"epochs": 1, "batch_size": 4, "schedule": "linear", "warmup_fraction": 0.1, "max_grad_norm": 1.0},
    "methods": {"lora": {"label": "LoRA", "options": {"r": 4}, "train": {"epochs": 2}}},
}


@examples(12)
@given(content=spoiled(TINY))
def test_plan(said: Said, content: Any) -> None:
    path = Path.cwd().parent / "canary"
    kept = path.read_text()
    path.write_text(toml(content if isinstance(content, dict) else {"grid": content}), encoding="utf-8")
    try:
        code = main(["plan", str(path), "--no-memory"])
    finally:
        path.write_text(kept)
    event(f"exit code {code}")
    out, err = said()
    assert (code == 2) == err.startswith("tunebench: "), err
    assert {char for char in out + err if not char.isprintable()} <= {"\n"}
    assert list(Path.cwd().iterdir()) == []


@examples(25)
@given(data=st.data())
def test_run(said: Said, monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    """What an earlier run left is believed as far as it can be; then a worker would be asked for."""

    def no_worker() -> None:
        raise RequestError("no worker here")

    monkeypatch.setattr("bench.run.executor.LocalExecutor", no_worker)
    says = {"label": "Full FT", "kinds": ["encoder"], "trains": True}
    methods = {name: {"sha256": plugin.sha256, "says": says} for name, plugin in registry.find().items()}
    run = {"schema_version": 1, "study": TINY, "command": "c", "written_at": "", "cell_ids": [], "methods": methods}
    path = Path.cwd().parent / "s.toml"
    path.write_text(toml(TINY), encoding="utf-8")
    shutil.rmtree("run", ignore_errors=True)
    laid(Files({"s/run.json": run}), "s/run.json", data.draw(spoiled(run)))
    code = main(["run", str(path), "--runs", "run"])
    path.unlink()
    out, err = said()
    assert code == 2
    assert err.startswith("tunebench: ")
    assert {char for char in out + err if not char.isprintable()} <= {"\n"}
