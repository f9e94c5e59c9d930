"""Run folders and reports, read into what a report is drawn from."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RunFolderError
from bench.record.files import write_text
from bench.record.record import Record
from bench.record.run_folder import RunFolder
from bench.report.results import archive
from bench.report.results.load import load
from bench.report.results.run import Results
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped, study
from tests.support import write_files


def silent(text: str) -> None:
    pytest.fail(f"warned: {text}")


def run_folder(folder: Path, make_record: MakeRecord, *records: dict[str, Any], **changes: Any) -> Path:
    """A run of cells of these settings."""
    cells = Cells(make_record, folder / "cells")
    times = {"started_at": f"2026-01-02T03:04:05Z, {folder.name}"}  # another run is another measurement
    measured = [cells.measured(list(TRUTH), times, **given) for given in records]
    for record, _ in measured:
        write_text(cells.of(record).record, record.model_dump_json())
    ids = [record.cell_id for record, _ in measured]
    facts = {"schema_version": 1, "study": study(**changes), "command": "tunebench run s", "written_at": "2026-01-02"}
    write_text(folder / "run.json", json.dumps(facts | {"cell_ids": ids}))
    return folder


def report(folder: Path, results: Results) -> Path:
    write_files(folder, archive.texts(results))
    return folder


def test_a_run_folder(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", make_record, {"seed": 0}, {"seed": 1})
    cells = Cells(make_record, folder / "cells")
    found = load([folder], silent)
    (run,) = found.runs
    assert [record.cell.seed for record in run.records] == [0, 1]
    assert (run.name, run.title, run.command, run.not_run) == ("s", "Run", "tunebench run s", 0)
    assert len(found.sha256) == 64
    first = cells.of(run.records[0])
    write_text(first.stderr, "before\n\x1b[31m/home/me/x/run.py: no\nat /data/texts.csv\n" + "x" * 10)
    write_text(first.steps, "pass,step,seconds,samples,tokens,padded_tokens,loss,learning_rate\ntrain,0,1,8,9,9,1,1\n")
    beside = load([folder], silent).runs[0].cells[0].evidence
    assert beside.log == "before\nrun.py: no\nat texts.csv\n" + "x" * 10
    assert beside.curves[0].tokens_per_second == (9,)


def test_a_long_log_is_kept_to_its_end(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", make_record, {})
    (place,) = (folder / "cells").iterdir()
    (place / "stderr.txt").write_bytes(b"\xff" + b"a" * 50_000 + b"the end")
    log = load([folder], silent).runs[0].cells[0].evidence.log
    assert (len(log), log[-7:]) == (2000, "the end")


def test_steps_that_cannot_be_read_are_said_in_the_log(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", make_record, {})
    (place,) = (folder / "cells").iterdir()
    (place / "steps.csv").write_text("a\n1\n")
    assert "steps.csv cannot be read: KeyError" in load([folder], silent).runs[0].cells[0].evidence.log


def test_a_report_holds_what_its_run_folder_did(make_record: MakeRecord, tmp_path: Path) -> None:
    found = load([run_folder(tmp_path / "run", make_record, {"seed": 0}, {"seed": 1})], silent)
    again = load([report(tmp_path / "report", found)], silent)
    assert (archive.texts(again), again.sha256) == (archive.texts(found), found.sha256)


def test_records_that_cannot_be_read_are_left_out(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", make_record, {"seed": 0}, {"seed": 1}, {"seed": 2})
    first, second, third = RunFolder(folder).cell_ids()
    (folder / "cells" / first / "record.json").write_text("{")
    (folder / "cells" / second / "record.json").unlink()
    warned: list[str] = []
    (run,) = load([folder], warned.append).runs
    assert ([record.cell_id for record in run.records], run.unread, run.not_run) == ([third], (first,), 1)
    assert len(warned) == 1
    assert warned[0].startswith(f"left out: {folder}/cells/{first}/record.json is not a record")
    (again,) = load([report(tmp_path / "report", Results((run,)))], silent).runs
    assert (again.unread, again.not_run) == ((first,), 1)


def test_a_record_of_another_cell_is_left_out(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", make_record, {"seed": 0}, {"seed": 1})
    first, second = (folder / "cells" / cell_id / "record.json" for cell_id in RunFolder(folder).cell_ids())
    first.write_bytes(second.read_bytes())
    warned: list[str] = []
    (run,) = load([folder], warned.append).runs
    assert len(run.cells) == 1
    assert "belongs to another cell" in warned[0]


def on(record: Record, cpu: str) -> Record:
    assert record.machine is not None
    return record.model_copy(update={"machine": record.machine.model_copy(update={"cpu": cpu})})


class TestSeveral:
    def test_two_machines(self, make_record: MakeRecord, tmp_path: Path) -> None:
        paths = [run_folder(tmp_path / name, make_record, {}) for name in "ab"]
        for path, cpu in zip(paths, ("Fast", "Slow"), strict=True):
            (place,) = (path / "cells").iterdir()
            record = Record.model_validate_json((place / "record.json").read_text())
            write_text(place / "record.json", on(record, cpu).model_dump_json())
        found = load(paths, silent)
        assert (found.labels(), found.name) == (["Fast, 2 cores", "Slow, 2 cores"], "s_2_runs")
        assert load([report(tmp_path / "both", found)], silent).labels() == found.labels()

    def test_one_machine_twice(self, make_record: MakeRecord, tmp_path: Path) -> None:
        found = load([run_folder(tmp_path / name, make_record, {}, name=name) for name in "ab"], silent)
        assert found.labels() == ["AMD EPYC 7B13, 2 cores, a", "AMD EPYC 7B13, 2 cores, b"]
        assert found.name == "a+b"

    def test_one_study_on_one_machine_twice(self, make_record: MakeRecord, tmp_path: Path) -> None:
        paths = [run_folder(tmp_path / name, make_record, {}) for name in "ab"]
        assert load(paths, silent).labels() == [f"AMD EPYC 7B13, 2 cores, s ({at})" for at in (1, 2)]

    def test_many(self, make_record: MakeRecord, tmp_path: Path) -> None:
        paths = [run_folder(tmp_path / name, make_record, {}, name=name) for name in "abcd"]
        assert load(paths, silent).name == "a+b+c_4_runs"

    def test_the_same_folder_twice(self, make_record: MakeRecord, tmp_path: Path) -> None:
        path = run_folder(tmp_path / "a", make_record, {})
        with pytest.raises(RunFolderError, match="is given twice"):
            load([path, tmp_path / "a" / ".." / "a"], silent)

    def test_the_same_measurement_twice(self, make_record: MakeRecord, tmp_path: Path) -> None:
        path = run_folder(tmp_path / "a", make_record, {})
        kept = report(tmp_path / "report", load([path], silent))
        with pytest.raises(RunFolderError, match=r"the same measurement of IMDb__\S+ is in several of the folders"):
            load([path, kept], silent)

    def test_a_failed_run_has_no_known_machine(self, make_record: MakeRecord, tmp_path: Path) -> None:
        path = run_folder(tmp_path / "a", make_record, {})
        (place,) = (path / "cells").iterdir()
        failed = make_record("oom", fields={"machine": None, "cell_id": place.name})
        write_text(place / "record.json", failed.model_dump_json())
        assert load([path], silent).labels() == ["unknown machine"]


@pytest.mark.parametrize("name", ["nowhere", "here"])
def test_what_is_neither(tmp_path: Path, name: str) -> None:
    (tmp_path / "here").mkdir()
    said = f"{name} is neither a run folder nor a report: it has no run.json and no records.jsonl"
    with pytest.raises(RunFolderError, match=said):
        load([tmp_path / name], silent)


def test_predictions_are_kept(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    cells = Cells(make_record, folder / "cells")
    record = cells.measured(flipped(3)).record
    write_text(cells.of(record).record, record.model_dump_json())
    facts = {"schema_version": 1, "study": study(), "command": "c", "written_at": "", "cell_ids": [record.cell_id]}
    write_text(folder / "run.json", json.dumps(facts))
    found = load([folder], silent).runs[0].cells[0].evidence.predictions
    assert not isinstance(found, str)
    assert found.predicted.tolist() == flipped(3)


def test_what_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(RunFolderError, match="is neither a run folder nor a report"):
        load([tmp_path / "loop"], silent)


@pytest.mark.parametrize("name", ["run.json", "record.json", "insights.json"])
def test_a_pipe_is_not_waited_for(name: str, make_record: MakeRecord, tmp_path: Path) -> None:
    said: list[str] = []
    path = run_folder(tmp_path / "a", make_record, {})
    (cell,) = (path / "cells").iterdir()
    place = (path if name == "run.json" else cell) / name
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    if name == "run.json":
        with pytest.raises(RunFolderError, match="it is not a regular file"):
            load([path], said.append)
    else:
        troubles = [text for _, evidence in load([path], said.append).cells for text in evidence.troubles]
        assert len([*said, *troubles]) == 1
        assert "it is not a regular file" in [*said, *troubles][0]
