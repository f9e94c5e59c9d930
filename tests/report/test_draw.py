"""A run folder drawn: what is written, and what is not."""

import csv
import hashlib
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from bench.errors import RunFolderError
from bench.record.files import write_text
from bench.report.draw import draw
from bench.report.results.measured import Measured
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped, study
from tests.support import COMMAND, environment

ALWAYS = {"table3.md", "table3.csv", "table3.tex", "records.jsonl", "study.json"}
EFFICIENCY = {"efficiency.md", "efficiency.csv"}
COMPARED = {"comparisons.md", "comparisons.csv", "comparisons.tex"}


@pytest.fixture
def run_folder(make_record: MakeRecord, tmp_path: Path) -> Path:
    """A run of two methods; its study asks for no comparison and knows no such key."""
    folder = tmp_path / "run"
    cells = Cells(make_record, folder / "cells")
    measured: list[Measured] = [
        cells.measured(list(TRUTH), method="LoRA"), cells.measured(flipped(0), method="BitFit"),
    ]  # fmt: skip
    for record, _ in measured:
        write_text(cells.of(record).record, record.model_dump_json())
    old = study()
    del old["comparisons"]
    facts = {"schema_version": 1, "study": old, "command": "tunebench run s", "written_at": "2026-01-02"}
    write_text(folder / "run.json", json.dumps(facts | {"cell_ids": [record.cell_id for record, _ in measured]}))
    return folder


def ask_for(run_folder: Path, *pairs: list[str]) -> None:
    run = json.loads((run_folder / "run.json").read_text())
    run["study"]["comparisons"] = pairs
    write_text(run_folder / "run.json", json.dumps(run))


def drawn(run_folder: Path, reports: Path, *more: Path) -> tuple[dict[str, str], str]:
    """The files by name, and what was printed."""
    console = Console(file=io.StringIO(), width=200)
    results = draw([run_folder, *more], reports, console, wide=True)
    assert isinstance(console.file, io.StringIO)
    return {path.name: path.read_text() for path in (reports / results.name).glob("*.*")}, console.file.getvalue()


def test_an_unchanged_report_is_not_drawn_again(run_folder: Path, tmp_path: Path) -> None:
    def said() -> str:
        console = Console(file=io.StringIO(), width=80)
        draw([run_folder], tmp_path, console, ("md", "csv"), again=False)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    first = said()
    assert "wrote" in first
    again = said()
    assert "up to date" in again
    assert again.split("2 cells")[0] == first.split("2 cells")[0]
    (tmp_path / "s" / "table3.md").write_text("damaged")
    assert "wrote" in said()
    record = next(run_folder.glob("cells/*/record.json"))
    write_text(record, json.dumps(json.loads(record.read_text()) | {"wall_seconds": 99.0}))
    assert "wrote" in said()


def test_a_run_of_before_there_were_comparisons(run_folder: Path, tmp_path: Path) -> None:
    files, said = drawn(run_folder, tmp_path / "reports")
    assert set(files) >= ALWAYS
    assert not COMPARED & set(files)
    assert "paired comparisons" not in said
    ask_for(run_folder)
    assert not COMPARED & set(drawn(run_folder, tmp_path / "asked")[0])


def test_a_study_that_compares(run_folder: Path, tmp_path: Path) -> None:
    ask_for(run_folder, ["LoRA", "BitFit"])
    files, said = drawn(run_folder, tmp_path / "reports")
    assert set(files) >= ALWAYS | COMPARED
    assert said.index("GFLOPs") < said.index("paired comparisons") < said.index("wrote")
    assert "IMDb,RoBERTa,LoRA,BitFit,1,12,0.08391608391608396," in files["comparisons.csv"]
    again, _ = drawn(run_folder, tmp_path / "again")
    assert again == files
    source = f"records.jsonl sha256 {hashlib.sha256(files['records.jsonl'].encode()).hexdigest()}"
    assert source in files["comparisons.md"]
    assert "+0.0839" in files["comparisons.tex"]
    assert r"\input{comparisons.tex}" in files["tables.tex"]
    assert '<h3 id="comparisons-head">Paired comparisons</h3>' in files["report.html"]


def test_comparisons_of_two_runs_are_rows_of_one_table(run_folder: Path, tmp_path: Path) -> None:
    ask_for(run_folder, ["LoRA", "BitFit"])
    other = tmp_path / "other"
    shutil.copytree(run_folder, other)
    for path in other.glob("cells/*/record.json"):
        record = json.loads(path.read_text())
        elsewhere = record["machine"] | {"cpu": "Another CPU"}
        write_text(path, json.dumps(record | {"started_at": "2026-01-02T00:00:00+00:00", "machine": elsewhere}))
    files, said = drawn(run_folder, tmp_path / "reports", other)
    rows = list(csv.DictReader(files["comparisons.csv"].splitlines()))
    assert len({row["machine"] for row in rows}) == 2
    assert [row["macro_f1_difference"] for row in rows] == ["0.08391608391608396"] * 2
    assert "Another CPU" in said[said.index("paired comparisons") :]


@pytest.mark.parametrize("how", ['exec "$0" "$@" <&-', '"$0" "$@" | :'], ids=["no stdin", "nobody reads"])
def test_it_writes_whatever_becomes_of_its_streams(run_folder: Path, tmp_path: Path, how: str) -> None:
    told = [*COMMAND, "report", str(run_folder), "--reports", "reports"]
    subprocess.run(["sh", "-c", how, *told], cwd=tmp_path, env=environment(), check=True, timeout=60)
    assert {path.name for path in (tmp_path / "reports" / "s").iterdir()} >= ALWAYS | {"report.html", "report.json"}


def test_intervals_are_over_the_predicted_texts(run_folder: Path, tmp_path: Path) -> None:
    files, said = drawn(run_folder, tmp_path / "reports")
    rows = list(csv.DictReader(files["table3.csv"].splitlines()))
    assert [row["macro_f1_interval_over"] for row in rows] == ["texts"] * 2
    assert [row["against_best"] for row in rows] == ["best", "unknown"]
    assert "unknown whether it differs from the best of its model and dataset, LoRA: one seed" in said


def test_an_efficiency_table_where_records_hold_one(run_folder: Path, tmp_path: Path) -> None:
    assert not EFFICIENCY & set(drawn(run_folder, tmp_path / "before")[0])
    for path in run_folder.glob("cells/*/record.json"):
        record = json.loads(path.read_text())
        record["latency"] = [{"batch_size": 1, "timed_batches": 9, "p50_seconds": 0.125, "p90_seconds": 0.25,
                              "p99_seconds": None}]  # fmt: skip
        write_text(path, json.dumps(record))
    files, _ = drawn(run_folder, tmp_path / "after")
    assert set(files) >= ALWAYS | EFFICIENCY
    assert "| 125.00 |" in " ".join(files["efficiency.md"].split())


@pytest.mark.parametrize("cell_id", ["../cells", "/etc", ".."])
def test_a_run_that_lists_what_lies_elsewhere(run_folder: Path, tmp_path: Path, cell_id: str) -> None:
    run = json.loads((run_folder / "run.json").read_text())
    write_text(run_folder / "run.json", json.dumps(run | {"cell_ids": [*run["cell_ids"], cell_id]}))
    with pytest.raises(RunFolderError, match="is not a valid cell id"):
        drawn(run_folder, tmp_path / "reports")


def test_a_report_is_not_drawn_over_with_less(run_folder: Path, tmp_path: Path) -> None:
    """A report of before there was evidence keeps records alone, which do not give its comparisons again."""
    ask_for(run_folder, ["LoRA", "BitFit"])
    drawn(run_folder, tmp_path / "reports")
    report = tmp_path / "reports" / "s"
    (report / "evidence.jsonl").unlink()
    before = (report / "comparisons.md").read_text()
    with pytest.raises(RunFolderError, match=r"s keeps no evidence\.jsonl, without which comparisons\.md"):
        drawn(report, tmp_path / "reports")
    assert (report / "comparisons.md").read_text() == before
    assert "not available" in drawn(report, tmp_path / "elsewhere")[0]["comparisons.md"]


def test_predictions_that_are_gone_cost_the_comparison_alone(run_folder: Path, tmp_path: Path) -> None:
    ask_for(run_folder, ["LoRA", "BitFit"])
    for path in run_folder.glob("cells/*/predictions.jsonl"):
        path.unlink()
    files, said = drawn(run_folder, tmp_path / "reports")
    assert "predictions.jsonl is missing" in said
    assert ",not available," in files["comparisons.csv"]
    assert str(tmp_path) not in files["comparisons.csv"] + files["comparisons.md"]
