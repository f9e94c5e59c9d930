"""A report that is drawn while others write: a run into its folder, another report into the same place."""

import io
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.record.files import write_json, write_text
from bench.record.record import Record
from bench.record.run_folder import RunFolder
from bench.report.draw import draw
from bench.report.results import archive
from bench.report.verify import verify
from bench.run.recovery import begin_attempt, end_attempt
from tests.report.conftest import MakeRecord
from tests.report.conftest import make_record as make_record
from tests.report.predicted import Cells, flipped, study
from tests.support import COMMAND, environment


@pytest.fixture
def run(make_record: MakeRecord, tmp_path: Path) -> RunFolder:
    """A run folder of six cells that are measured."""
    return written(make_record, tmp_path / "run", "first")


def written(make_record: MakeRecord, path: Path, title: str) -> RunFolder:
    folder = RunFolder(path)
    cells = Cells(make_record, folder.cells)
    measured = [
        cells.measured(flipped(seed), method=method, seed=seed) for seed in range(3) for method in ("LoRA", "BitFit")
    ]
    for record, _ in measured:
        write_text(cells.of(record).record, record.model_dump_json())
    facts: dict[str, Any] = {"schema_version": 1, "command": "tunebench run s", "written_at": "2026-01-02"}
    facts |= {"study": study() | {"title": title}, "cell_ids": [record.cell_id for record, _ in measured]}
    write_json(folder.run, facts)
    return folder


def measure_again(folder: RunFolder, record: Record) -> None:
    """What a run does with a cell's folder: an attempt begins, leaves its files and ends."""
    before = folder.cell(record.cell_id).predictions.read_text()
    paths = begin_attempt(folder, record.cell_id)
    write_text(paths.predictions, before)
    write_text(paths.record, record.model_dump_json())
    end_attempt(folder, record.cell_id)


@contextmanager
def running(folder: RunFolder) -> Iterator[None]:
    """A run that measures one cell after the other until the block ends."""
    stop = threading.Event()
    known = [Record.model_validate_json(path.read_text()) for path in sorted(folder.cells.glob("*/record.json"))]

    def work() -> None:
        while not stop.is_set():
            for record in known:
                measure_again(folder, record)
            write_json(folder.run, json.loads(folder.run.read_text()))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_report_amid_a_run_is_what_its_own_records_give(run: RunFolder, tmp_path: Path) -> None:
    with running(run):
        for _ in range(3):
            results = draw([run.path], tmp_path / "reports", Console(file=io.StringIO()), ["csv"])
            assert len(results.cells) + results.runs[0].not_run == 6
            assert verify(tmp_path / "reports" / "s")[1] == []


def test_a_report_is_read_while_it_is_drawn(run: RunFolder, make_record: MakeRecord, tmp_path: Path) -> None:
    reports, other = tmp_path / "reports", written(make_record, tmp_path / "other", "second")
    shutil.rmtree(next(iter(sorted(other.cells.iterdir()))))
    draw([run.path], reports, Console(file=io.StringIO()), ["csv"])
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for folder in (other, run):
                draw([folder.path], reports, Console(file=io.StringIO()), ["csv"])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        found = [archive.read(reports / "s").runs[0] for _ in range(200)]
    finally:
        stop.set()
        thread.join()
    assert {(each.title, len(each.cells)) for each in found} <= {("first", 6), ("second", 5)}


@pytest.mark.slow
def test_two_commands_that_draw_into_one_place(run: RunFolder, make_record: MakeRecord, tmp_path: Path) -> None:
    other = written(make_record, tmp_path / "other", "second")
    commands = [
        subprocess.Popen(
            [*COMMAND, "report", str(folder.path), "--format", "md", "--format", "csv"],
            cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for folder in (run, other)
    ]  # fmt: skip
    said = [each.communicate(timeout=120)[1].decode() for each in commands]
    assert [each.returncode for each in commands] == [0, 0], said
    report = tmp_path / "reports" / "s"
    assert verify(report)[1] == []
    assert [path.name for path in report.parent.iterdir()] == ["s"]
