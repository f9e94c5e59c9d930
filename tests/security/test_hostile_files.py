"""Damaged run folders, reports and published tables: each verb ends in an answer or a clear error."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.commands.audit.published import find, load
from bench.commands.audit.render import to_csv, to_html, to_markdown
from bench.commands.audit.result import audit
from bench.commands.cli import main
from bench.errors import RequestError
from bench.method import registry
from bench.method.insight import Insight
from bench.record.run_folder import RunFolder
from bench.report.results import archive
from tests.commands.audit.conftest import plan_row
from tests.report.conftest import _record
from tests.report.drawn import written
from tests.report.predicted import TRUTH, Cells, flipped, results, study
from tests.security.hostile import NUMBERS, assert_clear, places, spoiled
from tests.support import toml, write_files

Said = Callable[[], tuple[str, str]]
Files = dict[str, Any]
PART = {"name": "tokens", "title": "Tokens", "caption": "n = 3.", "columns": {"expert": ["a", "b"], "tokens": [1, 2]}}
#: Bytes that a file may break off in.
BYTES = (b"", b"\xff", b"[" * 50_000, b"9" * 5000, b'"\\ud800"')


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A run folder of two methods and two seeds, by file."""
    folder = RunFolder(tmp_path_factory.mktemp("whole") / "run")
    cells = Cells(_record, folder.cells)
    measured = [
        cells.measured(predicted, method=method, seed=seed)
        for seed, predicted in enumerate((list(TRUTH), flipped(3)))
        for method in ("LoRA", "BitFit")
    ]
    run = {
        "schema_version": 1, "study": study(("LoRA", "BitFit")), "command": "tunebench run s",
        "written_at": "2026-01-02", "cell_ids": [record.cell_id for record, _ in measured],
        "methods": {"LoRA": {"sha256": "0", "says": {"label": "LoRA", "kinds": ["encoder"], "trains": True}}},
    }  # fmt: skip
    write_files(folder.path, archive.texts(results(run, *measured)))
    files: Files = {"run.json": run, "study.json": json.loads((folder.path / "study.json").read_text())}
    files |= {name: (folder.path / name).read_bytes() for name in ("records.jsonl", "evidence.jsonl")}
    for record, _ in measured:
        files[f"cells/{record.cell_id}/record.json"] = record.model_dump(mode="json")
        files[f"cells/{record.cell_id}/cell.json"] = record.cell.model_dump(mode="json")
        files[f"cells/{record.cell_id}/predictions.jsonl"] = cells.of(record).predictions.read_bytes()
    return files | {f"cells/{measured[0].record.cell_id}/insights.json": {"parts": [PART]}}


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Said:
    """What was printed since the last call; commands run in ``tmp_path / "here"``, which nothing may leave."""
    (tmp_path / "here").mkdir()
    (tmp_path / "canary").write_text("sings")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "160")
    return lambda: tuple(capsys.readouterr())  # type: ignore[return-value]


def damaged(whole: Any, rng: random.Random) -> Any:
    """Another content of a file: a value of it is spoiled, or its bytes break off."""
    if rng.random() < 0.2:
        raw = whole if isinstance(whole, bytes) else json.dumps(whole).encode()
        return raw[: rng.randint(0, len(raw))] + rng.choice(BYTES)
    if not isinstance(whole, bytes):
        return spoiled(whole, rng)
    return b"\n".join(json.dumps(line).encode() for line in spoiled([*map(json.loads, whole.splitlines())], rng))


def laid(files: Files) -> None:
    """The files of a run folder, in ``run``; what was there before is gone."""
    for folder in ("run", "reports"):
        shutil.rmtree(folder, ignore_errors=True)
    for place, value in files.items():
        path = Path("run") / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode("utf-8", "surrogatepass"))


def ends_well(arguments: list[str], said: Said) -> int:
    """The exit code of a command, which ended in an answer or a clear error and wrote in ``here/reports`` alone."""
    code = main(arguments)
    out, err = said()
    assert code in (0, 1, 2, 3)
    assert (code == 2) == err.startswith("tunebench: "), err
    assert {char for char in out + err if not char.isprintable()} <= {"\n"}
    assert len(err) < 20_000
    assert len(err.splitlines()) < 60
    here = Path.cwd()
    assert {path.name for path in here.iterdir()} <= {"run", "reports"}
    assert {path.name for path in here.parent.iterdir()} == {"here", "canary"}
    assert (here.parent / "canary").read_text() == "sings"
    return code


#: Verbs, the files that are damaged one at a time, and how often.
CASES: list[tuple[list[str], str, int]] = [
    (["report", "run", "--format", "md", "--format", "csv"], "run.json", 8),
    (["report", "run", "--format", "md", "--format", "csv"], "record.json", 8),
    (["report", "run", "--format", "md", "--format", "csv"], "insights.json", 6),
    (["report", "run", "--format", "md", "--format", "csv"], "predictions.jsonl", 8),
    (["explain", "run", "--", "s0", "a text"], "record.json", 6),
    (["explain", "run", "--", "../", "a text"], "cell.json", 6),
    (["compare", "run", "run", "--all"], "study.json", 8),
    (["compare", "run", "run", "--all"], "records.jsonl", 8),
    (["compare", "run", "run", "--all"], "record.json", 6),
]


@pytest.mark.parametrize(("arguments", "file", "times"), CASES, ids=[f"{case[0][0]} {case[1]}" for case in CASES])
def test_a_damaged_file(whole: Files, said: Said, arguments: list[str], file: str, times: int) -> None:
    name = next(name for name in whole if name.endswith(file))
    files = {key: value for key, value in whole.items() if "insights" not in key or file == "insights.json"}
    if file in ("study.json", "records.jsonl"):  # a report stands in for the run
        del files["run.json"]
    for seed in range(times):
        laid(files | {name: damaged(whole[name], random.Random(seed))})
        code = ends_well(arguments, said)
        assert arguments[0] != "explain" or code == 2, "it never comes to a model: the cell's method is not installed"


def test_a_record_of_numbers_that_cannot_be(whole: Files, said: Said) -> None:
    name = next(name for name in whole if name.endswith("record.json"))
    for seed in range(12):
        rng, record = random.Random(seed), json.loads(json.dumps(whole[name]))
        numbers = [at for at in places(record) if type(at[0][at[1]]) in (int, float) and at[1] != "schema_version"]
        for holder, key in rng.sample(numbers, 2):
            value = rng.choice(NUMBERS[:-2])
            holder[key] = int(value) if type(holder[key]) is int and abs(value) < 1e300 else value
        laid(whole | {name: record})
        assert ends_well(["report", "run", "--format", "csv"], said) == 0


@pytest.mark.parametrize("kind", ["heatmap", "bars", "lines", "scatter"])
def test_figures_of_any_valid_insight(kind: str) -> None:
    columns: dict[str, list[Any]] = {
        "x": ["a", "\x1b", ""], "y": [10**300, -(2**70), None], "v": [1.5, None, 0], "c": ["=1", None, "<b>"],
    }  # fmt: skip
    chart = {"kind": kind, "x": "x", "y": "y", "value": "v", "x_label": "$", "y_label": "", "value_label": "{}"}
    empty: dict[str, list[Any]] = {name: [] for name in columns}
    for given in (columns, empty):
        part = Insight.model_validate(PART | {"columns": given, "chart": chart | {"colour": "c"}})
        found = written(part, "folder")
        assert found["folder/tokens.png"].startswith(b"\x89PNG")
        ElementTree.fromstring(found["folder/tokens.svg"])


TINY: dict[str, Any] = {
    "name": "s",
    "baselines": False,
    "grid": [{"datasets": ["synthetic_polarity"], "models": ["mine"], "methods": ["full_ft", "lora"], "seeds": [0]}],
    "models": {"mine": {"base": "minilm", "weights": "random", "scale": "tiny"}},
}


def test_a_run_whose_earlier_run_is_damaged(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it left is believed as far as it can be; then a worker would be asked for."""

    def no_worker() -> None:
        raise RequestError("no worker here")

    monkeypatch.setattr("bench.run.executor.LocalExecutor", no_worker)
    says = {"label": "Full FT", "kinds": ["encoder"], "trains": True}
    methods = {name: {"sha256": plugin.sha256, "says": says} for name, plugin in registry.find().items()}
    run = {"schema_version": 1, "study": TINY, "command": "c", "written_at": "", "cell_ids": [], "methods": methods}
    study_file = Path("run.toml")
    for seed in range(10):
        laid({"s/run.json": spoiled(run, random.Random(seed))})
        study_file.write_text(toml(TINY), encoding="utf-8")
        code = main(["run", str(study_file), "--runs", "run"])
        _, err = said()
        assert (code, err.startswith("tunebench: ")) == (2, True)
        assert {char for char in err if not char.isprintable()} <= {"\n"}


PUBLISHED: dict[str, Any] = {
    "title": "Tables", "source": "A journal.", "study": "demo", "stated": {"sequence_length": 128, "batch_size": 8},
    "tables": {"one": {"file": "one.csv", "title": "One"}, "two": {"file": "two.csv", "row_column": "Row",
                       "rows": {"Mine": {"model": "m", "method": "x"}}}},
    "datasets": {"D": "d"}, "models": {"M": "m"}, "methods": {"X": "x"},
}  # fmt: skip
ROWS: list[Any] = [["dataset", "model", "method", "f1", "total_params_million", "gflops"],
                   ["D", "M", "X", "0.91", "4582.54", "1.5"], ["d", "m", "y", "0.90", "4540.60", "1.25"]]  # fmt: skip


@pytest.mark.parametrize("alone", [True, False], ids=["one table", "a folder"])
def test_an_audit_of_damaged_tables(tmp_path: Path, alone: bool) -> None:
    plan = [plan_row("d", "m", method, total_params=4_540_600_320, trainable_params=0, trains=False) for method in "xy"]
    audited = 0
    for seed in range(60):
        rng = random.Random(seed)
        rows, manifest = (spoiled(ROWS, rng), PUBLISHED) if seed % 2 else (ROWS, spoiled(PUBLISHED, rng))
        lines = [",".join(map(str, row)) if isinstance(row, list) else str(row)[:100] for row in rows if row != 10**400]
        (tmp_path / "one.csv").write_text("\n".join(lines), encoding="utf-8")
        (tmp_path / "two.csv").write_text("dataset,row,f1\nD,Mine,0.5\n", encoding="utf-8")
        names = {key: manifest[key] for key in ("datasets", "models", "methods", "stated") if key in manifest}
        (tmp_path / "names.toml").write_text(toml(names), encoding="utf-8")
        (tmp_path / "published.toml").write_text(toml(manifest), encoding="utf-8")
        try:
            published = (
                load(find(str(tmp_path / "one.csv")), tmp_path / "names.toml") if alone else load(find(str(tmp_path)))
            )
            found = audit(published, plan, {}, study="s", causal=())
        except RequestError as error:
            assert_clear(str(error))
        else:
            audited += 1
            assert to_html(found)
            assert to_markdown(found)
            assert to_csv(found)
    assert 5 < audited < 55
