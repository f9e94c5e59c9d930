"""The command: exit codes, what is printed and what programs read."""

import csv
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.commands.cli import main
from bench.commands.compare import render
from bench.commands.compare.moves import Rules
from bench.commands.compare.result import compare
from bench.record.record import Record
from tests.commands.compare.support import changed, changed_code, report, run_folder, side
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped
from tests.support import ROOT, environment

REPORTS = ROOT / "reports"
SECONDS = 2.0
NO_TORCH = """
import sys
from bench.commands.cli import main
code = main(sys.argv[1:])
assert not {"torch", "transformers"} & set(sys.modules), "the parent imported torch"
sys.exit(code)
"""


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """``run(*arguments)`` of the command: exit code and output."""

    def command(*arguments: object) -> tuple[int, str]:
        code = main(["compare", *map(str, arguments)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out + said.err

    return command


def last(text: str) -> str:
    return text.splitlines()[-1]


def rates(make_record: MakeRecord, *values: float, **given: Any) -> list[Record]:
    return [make_record(seed=seed, train_rate=rate, **given) for seed, rate in enumerate(values)]


@pytest.fixture
def baseline(make_record: MakeRecord, tmp_path: Path) -> Path:
    return report(tmp_path / "a", *rates(make_record, 100.0, 101.0, 99.0))


@pytest.mark.parametrize(("name", "metrics"), [("minilm_real", 104), ("expert_ablation", 104)])
def test_a_committed_report_against_itself(run: Run, name: str, metrics: int) -> None:
    code, text = run(REPORTS / name, REPORTS / name, "--format", "csv")
    lines = [line for line in csv.DictReader(io.StringIO(text)) if line["kind"] == "metric"]
    verdicts = [(line["verdict"], line["regression"]) for line in lines]
    assert (code, verdicts) == (0, [("same", "false")] * metrics)
    common = [line["verdict"] for line in csv.DictReader(io.StringIO(text)) if line["kind"] == "common move"]
    assert common == ["same"] * 4
    assert len(text.splitlines()) == 1 + 4 + metrics, "nothing changed, and every cell has its partner"


def test_the_committed_reports_against_each_other(run: Run) -> None:
    code, text = run(REPORTS / "minilm_real", REPORTS / "expert_ablation")
    assert code == 0
    assert "code: commit" in text
    assert "study: methods.moe_plain" in text
    assert last(text) == "No regression: 26 metrics of 2 rows in 6 paired cells: 14 within noise, 12 same."


def test_a_regression(run: Run, baseline: Path, make_record: MakeRecord, tmp_path: Path) -> None:
    slower = report(tmp_path / "b", *rates(make_record, 80.0, 81.0, 79.0))
    code, text = run(baseline, slower)
    assert code == 3
    assert "The records show no changes." in text
    line = next(line for line in text.splitlines() if "Train throughput" in line)
    row = "Train throughput (samples/s) worse 100.0 80.0 -20.00% – -23.13% to -16.75% [a] 3"
    assert " ".join(line.split()) == row
    assert "a noise of 3 paired runs" in text
    assert "Not shown: 7 same; --all shows them." in text
    assert last(text) == (
        "Regression: Timed metrics together (time or energy) of IMDb / RoBERTa / LoRA; Train throughput (samples/s) of "
        "IMDb / RoBERTa / LoRA. 9 metrics of 1 row in 3 paired cells: 7 same, 2 worse."
    )
    assert run(baseline, slower, "--threshold", "25")[0] == 0


def test_an_improvement(run: Run, baseline: Path, make_record: MakeRecord, tmp_path: Path) -> None:
    faster = report(tmp_path / "b", *(changed_code(one) for one in rates(make_record, 120.0, 121.0, 119.0)))
    code, text = run(baseline, faster)
    assert code == 0
    assert "code: method.sha256" in text
    assert "better" in text
    assert last(text).startswith("No regression: 9 metrics of 1 row in 3 paired cells: 7 same, 2 better")


def test_all_metrics(run: Run, baseline: Path) -> None:
    few, many = (run(baseline, baseline, *flags)[1] for flags in ([], ["--all"]))
    assert "GFLOPs (forward)" not in few
    assert "GFLOPs (forward)" in many
    assert "Not shown" not in many


def test_runs_and_reports_mix(run: Run, make_record: MakeRecord, tmp_path: Path) -> None:
    cells = {name: Cells(make_record, tmp_path / name / "cells") for name in "ab"}
    before = [cells["a"].measured(list(TRUTH), seed=seed) for seed in (0, 1)]
    after = [cells["b"].measured(flipped(0, 1, 2, 3, 4), seed=seed) for seed in (0, 1)]
    runs = [run_folder(tmp_path / name, *side) for name, side in (("a", before), ("b", after))]
    published = report(tmp_path / "published", *(record for record, _ in before))
    code, text = run(*runs)
    assert code == 3
    assert "noise of 2 paired runs, 12 texts" in text
    code, text = run(published, runs[1])
    assert code == 3
    assert "noise of 2 paired runs" in text
    assert run(published, runs[0])[0] == 0
    one_seed = run_folder(tmp_path / "one_seed", after[0])
    code, text = run(published, one_seed)
    assert code == 0
    assert last(text).endswith("Warning: moved far, but their noise is unknown: 1 worse, noise unknown.")
    assert "noise of one seed" in text


class TestCells:
    def test_one_that_fails_now(self, run: Run, baseline: Path, make_record: MakeRecord, tmp_path: Path) -> None:
        failed = make_record("oom", seed=2, message="no [bold]memory[/bold]\x1b[31m")
        code, text = run(baseline, report(tmp_path / "b", *rates(make_record, 100.0, 101.0), failed))
        assert code == 3
        assert "now fails; train: Stopped: no [bold]memory[/bold] [31m" in text
        assert "\x1b" not in text
        assert last(text).startswith(f"Regression: cell {failed.cell_id} (train: Stopped: no ")

    def test_one_that_works_now_and_one_that_never_does(
        self, run: Run, make_record: MakeRecord, tmp_path: Path
    ) -> None:
        ok, failed = make_record(), make_record("oom")
        other = make_record("timeout", seed=1)
        code, text = run(report(tmp_path / "a", failed, other), report(tmp_path / "b", ok, other))
        assert code == 0
        assert "works now" in text
        assert "fails in both" in text
        assert last(text) == "No regression: 0 metrics of 0 rows in 2 paired cells."

    def test_cells_without_partner_count_where_that_is_asked(
        self, run: Run, baseline: Path, make_record: MakeRecord, tmp_path: Path
    ) -> None:
        waiting = make_record(seed=2)
        b = report(tmp_path / "b", *rates(make_record, 100.0, 101.0), make_record(method="BitFit"),
                   more_ids=[waiting.cell_id])  # fmt: skip
        code, text = run(baseline, b)
        assert code == 0
        assert "not run yet in B" in text
        assert "only in B" in text
        assert "1 not run yet" in text
        code, text = run(baseline, b, "--strict")
        assert code == 3
        assert last(text).startswith(f"Regression: cell {waiting.cell_id} (not run yet in B).")
        assert run(b, baseline, "--strict")[0] == 3  # BitFit is gone

    def test_no_cell_has_a_partner(self, run: Run, baseline: Path, make_record: MakeRecord, tmp_path: Path) -> None:
        code, text = run(baseline, report(tmp_path / "b", make_record(method="BitFit")))
        assert code == 2
        assert "Nothing was compared: no cell of A has a counterpart in B." in text
        assert last(text).startswith("tunebench: nothing was compared: no cell of ")


def test_rows_of_one_name_are_told_apart(run: Run, make_record: MakeRecord, tmp_path: Path) -> None:
    folder = report(tmp_path / "a", *(make_record(options={"rank": rank}) for rank in (8, 16)))
    code, text = run(folder, folder, "--all")
    assert code == 0
    assert "IMDb / RoBERTa / LoRA (method.options.rank = 8)" in text
    assert "IMDb / RoBERTa / LoRA (method.options.rank = 16)" in text


def test_suspect_rows(run: Run, baseline: Path, make_record: MakeRecord, tmp_path: Path) -> None:
    checks = [{"name": "other load", "verdict": "suspect", "found": "12 %"}]
    b = report(tmp_path / "b", *(changed(one, checks=checks) for one in rates(make_record, 80.0, 81.0, 79.0)))
    code, text = run(baseline, b)
    assert code == 4
    assert "Train throughput (samples/s) [†]" in text
    assert "† suspect in B: other load: 12 %" in text
    assert "a metric that moved is suspect and is not judged" in text
    assert last(text).startswith("Not judged: metrics that moved but cannot be compared: 2 suspect.")
    assert run(baseline, b, "--strict")[0] == 3


def worsened(line: str, speeds: bool) -> str:
    """A record with both speeds halved, or with F1 lower by 0.2."""
    record = json.loads(line)
    if not speeds:
        record["quality"]["macro_f1"] -= 0.2
        return json.dumps(record)
    for speed in (record["training"]["speed"], record["inference"]):
        speed["samples_per_second"] /= 2
        if windows := speed.get("windowed_samples_per_second"):
            speed["windowed_samples_per_second"] = windows | {
                end: windows[end] and windows[end] / 2 for end in ("median", "low", "high")
            }
    return json.dumps(record)


@pytest.mark.parametrize("speeds", [True, False])
def test_suspect_rows_hide_nothing(run: Run, tmp_path: Path, speeds: bool) -> None:
    """All eight rows of this report have a suspect training or inference pass."""
    records = [
        Record.model_validate_json(worsened(line, speeds))
        for line in (REPORTS / "expert_ablation" / "records.jsonl").read_text().splitlines()
    ]
    code, text = run(REPORTS / "expert_ablation", report(tmp_path / "b", *records), "--format", "csv")
    assert code == 3
    lines = [line for line in csv.DictReader(io.StringIO(text)) if line["verdict"] == "worse"]
    if speeds:
        assert {line["name"] for line in lines} == {"train_samples_per_second", "inference_samples_per_second"}
        assert {line["kind"] for line in lines} == {"common move"}
    else:
        assert [line["name"] for line in lines] == ["macro_f1"] * 8


def test_other_data_are_not_judged(run: Run, make_record: MakeRecord, tmp_path: Path) -> None:
    data = make_record().model_dump()["data"] | {"sha256": "e"}
    folders = [report(tmp_path / "a", make_record())]
    folders.append(report(tmp_path / "b", changed(make_record(macro_f1=0.5), data=data)))
    code, text = run(*folders)
    assert code == 4
    assert last(text).startswith("Not judged: metrics that moved but cannot be compared: 1 other data.")


class TestFormats:
    @pytest.fixture
    def hostile(self, make_record: MakeRecord, tmp_path: Path) -> list[Path]:
        """Two reports whose names would be formulas, markup and control characters."""
        name = "=HYPERLINK(1)[red]\x1b[31m\u202e"
        folders = []
        for at, folder in enumerate("ab"):
            records = rates(make_record, 100.0 - 20 * at, method=name, method_name=name, dataset=name)
            machine = records[0].model_dump()["machine"]
            machine |= {"gpu": f"@{at}{name}", "packages": {f"-{name}": f"+{at}{name}"}}
            one = changed(records[0], machine=machine, checks=[{"name": "=c", "verdict": "suspect", "found": name}])
            failed = make_record("error", seed=1, method=name, message=name, phase=name)
            folders.append(report(tmp_path / folder, one, failed, notes=f"={at}{name}"))
        return folders

    def test_csv(self, run: Run, hostile: list[Path]) -> None:
        code, text = run(*hostile, "--format", "csv", "--strict")
        assert code == 0
        assert "\x1b" not in text
        assert "\u202e" not in text
        lines = list(csv.DictReader(io.StringIO(text)))
        assert {line["kind"] for line in lines} == {"change", "cell", "metric"}
        for line in lines:
            for column, value in line.items():
                numeric = column in ("difference", "own_difference", "interval_low", "interval_high")
                assert numeric or not value.startswith(tuple("=+-@")), (column, value)
        (worse,) = (line for line in lines if line["name"] == "train_samples_per_second")
        assert (worse["verdict"], worse["a"], worse["b"]) == ("worse, noise unknown", "100.0", "80.0")
        assert float(worse["difference"]) == pytest.approx(-0.2)
        assert (worse["seeds"], worse["difference_of"], worse["interval_low"]) == ("0", "relative", "")

    def test_json(self, run: Run, hostile: list[Path]) -> None:
        code, text = run(*hostile, "--format", "json")
        found = json.loads(text)
        assert (code, found["schema_version"]) == (4, 2)
        assert (found["regression"], found["not_judged"]) == (False, True)
        assert found["verdict"].startswith("Not judged: ")
        assert found["a"]["kind"] == "report"
        assert {change["name"].partition(":")[0] for change in found["changes"]} == {"machine", "packages", "study"}
        assert [cell["verdict"] for cell in found["cells"]] == ["fails in both"]
        speed = next(one for one in found["metrics"] if one["name"] == "train_samples_per_second")
        assert (speed["a"], speed["b"], speed["seeds"], speed["verdict"]) == (100.0, 80.0, [0], "suspect")

    def test_table(self, run: Run, hostile: list[Path]) -> None:
        code, text = run(*hostile)
        assert code == 4
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "=HYPERLINK(1)[red]" in text

    def test_what_one_side_lacks(self, run: Run, make_record: MakeRecord, tmp_path: Path) -> None:
        a, b = make_record().model_dump(), make_record().model_dump()
        b["machine"]["packages"]["new"] = "1"
        a["machine"]["driver"], b["machine"]["driver"] = None, "580"
        folders = [report(tmp_path / name, Record.model_validate(one)) for name, one in (("a", a), ("b", b))]
        changes = json.loads(run(*folders, "--format", "json")[1])["changes"]
        note = "1 of 1 paired cells"
        assert changes == [
            {"name": "packages: new", "b": "1", "note": note},
            {"name": "machine: driver", "a": None, "b": "580", "note": note},
        ]
        text = run(*folders)[1]
        assert [line.split() for line in text.splitlines() if "packages: new" in line] == [
            ["packages:", "new", "absent", "1", "all"]
        ]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [60, 100, 200])
def test_on_a_terminal(make_record: MakeRecord, width: int, encoding: str) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    console = Console(file=file, width=width, force_terminal=True, no_color=True)
    a, b = rates(make_record, 100.0, 101.0), [*rates(make_record, 80.0), make_record("oom", seed=1)]
    render.show(compare(side(*a), side(*b, title="x" * 200), Rules()), True, console)
    text = raw.getvalue().decode(encoding)
    for number in ("100.0", "80.0", "-20.00%", "oom"):
        assert number in text


def test_long_values_are_shown_where_they_differ(run: Run, make_record: MakeRecord, tmp_path: Path) -> None:
    notes = "of a study that says very much before it says what nobody knew " * 3
    folders = [report(tmp_path / name, make_record(), notes=f"{notes}: {name}") for name in ("first", "second")]
    text = run(*folders)[1]
    assert "dy knew : first" in text
    assert "dy knew : second" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--threshold", "-1"], "--threshold must be a number of at least 0, got -1"),
        (["--threshold", "nan"], "--threshold must be a number of at least 0, got nan"),
        (["--f1-threshold", "inf"], "--f1-threshold must be a number of at least 0, got inf"),
    ],
)
def test_wrong_thresholds(run: Run, baseline: Path, arguments: list[str], said: str) -> None:
    assert run(baseline, baseline, *arguments) == (2, f"tunebench: {said}\n")


@pytest.mark.parametrize(
    ("depth", "said"),
    [
        (200, "No regression"),
        (300, "line 1 is not a record"),
        (5000, "line 1 is not a record"),
    ],
)
@pytest.mark.parametrize("layout", ["table", "csv", "json"])
def test_settings_nested_deeply(
    run: Run, make_record: MakeRecord, tmp_path: Path, depth: int, said: str, layout: str
) -> None:
    folders = [report(tmp_path / name, make_record()) for name in "ab"]
    for folder, path in ((folder, folder / "records.jsonl") for folder in folders):
        nested = '{"x":' * depth + f'"{folder.name}"' + "}" * depth
        changed_text = path.read_text().replace('"options": {"rank": 8}', f'"options": {{"rank": {nested}}}')
        assert nested in changed_text
        path.write_text(changed_text)
    code, text = run(*folders, "--format", layout)
    assert code == (0 if depth == 200 else 2)
    assert layout == "csv" or said in text


def test_it_never_imports_torch(make_record: MakeRecord, tmp_path: Path, baseline: Path) -> None:
    slower = report(tmp_path / "b", *rates(make_record, 80.0, 81.0, 79.0))
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH, "compare", str(baseline), str(slower)], cwd=tmp_path, env=environment(),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert done.stderr == ""


@pytest.mark.timed
def test_it_is_quick() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        folder = str(REPORTS / "minilm_real")
        subprocess.run(
            [sys.executable, "-m", "bench", "compare", folder, folder], cwd=ROOT, env=environment(), check=True,
            capture_output=True,
        )  # fmt: skip
        return time.perf_counter() - start

    assert min(seconds() for _ in range(2)) < SECONDS
