"""What is read of a run folder and of a report, and every reason why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.commands.compare.side import load
from bench.errors import NewerSchemaError, RunFolderError
from bench.record.record import Record
from bench.record.run_folder import CellFolder
from tests.commands.compare.support import alone, report, run_folder, run_json
from tests.report.conftest import MakeRecord


def run_of(folder: Path, *records: Record, more_ids: tuple[str, ...] = ()) -> Path:
    return run_folder(folder, *map(alone, records), more_ids=more_ids)


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def test_a_report(make_record: MakeRecord, tmp_path: Path) -> None:
    records = [make_record(), make_record("oom", seed=1)]
    found = load(report(tmp_path / "r", *records, more_ids=("x__y__z__s0-0123456789",)))
    assert found.kind == "report"
    assert [record.cell_id for record in found.records] == [record.cell_id for record in records]
    assert [evidence.predictions for _, evidence in found.cells] == ["a report keeps no predictions"] * 2
    assert found.not_run == ("x__y__z__s0-0123456789",)
    assert found.study["train"]["epochs"] == 3  # a default, which the file leaves out


def test_a_run_folder(make_record: MakeRecord, tmp_path: Path) -> None:
    records = [make_record(), make_record(seed=1)]
    found = load(run_of(tmp_path / "r", *records, more_ids=("x__y__z__s0-0123456789",)))
    assert (found.kind, found.records) == ("run folder", records)
    assert [evidence.predictions for _, evidence in found.cells] == [
        f"{record.cell_id}/predictions.jsonl is missing" for record in records
    ]
    assert found.not_run == ("x__y__z__s0-0123456789",)


def test_no_path_of_a_report_is_opened(make_record: MakeRecord, tmp_path: Path) -> None:
    """Its records name files; those of a hostile report might be anything."""
    record = make_record()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "predictions.jsonl").write_text("not to be read")
    found = load(report(tmp_path / "r", record.model_copy(update={"cell_id": "../secret"})))
    assert found.cells[0].evidence.predictions == "a report keeps no predictions"


@pytest.mark.parametrize("content", ["", "runs.txt"])
def test_neither(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "nowhere"
    if content:
        folder.mkdir()
        (folder / content).touch()
    said = f"{folder} is neither a run folder nor a published report: it has no run.json and no records.jsonl"
    with pytest.raises(RunFolderError, match=said):
        load(folder)


def test_half_a_report(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = report(tmp_path / "r", make_record())
    (folder / "study.json").unlink()
    with pytest.raises(RunFolderError, match=r"r is not a whole report: it has no study\.json"):
        load(folder)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "records.jsonl, line 2 is not a record"), ("[]", "records.jsonl, line 2 is not a record"),
        ('{"schema_version": 1}', "records.jsonl, line 2 is not a record"),
        ("[" * 100_000, "records.jsonl, line 2 is not a record"), ("9" * 5000, "records.jsonl, line 2 is not a record"),
        ("\ud800", "records.jsonl cannot be read"), ('{"\\u001b[31mred": 1}', "records.jsonl, line 2 is not a record"),
    ],
)  # fmt: skip
def test_a_damaged_line(make_record: MakeRecord, tmp_path: Path, line: str, said: str) -> None:
    folder = report(tmp_path / "r", make_record())
    with (folder / "records.jsonl").open("ab") as file:
        file.write(f"{line}\n".encode(errors="surrogatepass"))
    with pytest.raises(RunFolderError) as error:
        load(folder)
    assert said in str(error.value)
    assert str(error.value).isprintable()


def test_a_value_that_is_no_number(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = report(tmp_path / "r", make_record())
    text = (folder / "records.jsonl").read_text().replace('"wall_seconds": 9.0', '"wall_seconds": NaN')
    (folder / "records.jsonl").write_text(text)
    with pytest.raises(RunFolderError, match="line 1 is not a record"):
        load(folder)


@pytest.mark.parametrize("name", ["records.jsonl", "study.json"])
def test_a_newer_report(make_record: MakeRecord, tmp_path: Path, name: str) -> None:
    folder = report(tmp_path / "r", make_record())
    edit(folder / name, lambda content: content | {"schema_version": 99})
    with pytest.raises(NewerSchemaError, match=r"has schema 99; .*upgrade tunebench"):
        load(folder)


def test_a_newer_run(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = run_of(tmp_path / "r", make_record())
    edit(folder / "run.json", lambda content: content | {"schema_version": 99})
    with pytest.raises(NewerSchemaError, match="upgrade tunebench"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cell_ids": "x"}, "lists no cells"), ({"cell_ids": [1]}, "lists no cells"),
        ({"study": None}, r"study\.json: study"), ({"study": {"name": "s"}}, r"study\.json: study.*grid"),
        ({"study": run_json([])["study"] | {"later": 1}}, r"study\.json: study.*later"),
    ],
)  # fmt: skip
def test_a_damaged_study(make_record: MakeRecord, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    folder = report(tmp_path / "r", make_record())
    edit(folder / "study.json", lambda content: content | change)
    with pytest.raises(RunFolderError, match=said):
        load(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_version": 1}', "[" * 100_000])
def test_a_study_that_is_none(make_record: MakeRecord, tmp_path: Path, text: str) -> None:
    folder = report(tmp_path / "r", make_record())
    (folder / "study.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"study\.json cannot be read"):
        load(folder)


def test_a_damaged_record_of_a_run(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = run_of(tmp_path / "r", make_record())
    CellFolder(folder / "cells" / make_record().cell_id).record.write_text('{"\\u001b[31m": 1}')
    with pytest.raises(RunFolderError, match="is not a record") as error:
        load(folder)
    assert str(error.value).isprintable()


def test_an_id_that_leads_out_of_the_run(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = run_of(tmp_path / "r", make_record(), more_ids=("../../etc",))
    with pytest.raises(RunFolderError, match="is not a valid cell id"):
        load(folder)


def test_nothing_measured(make_record: MakeRecord, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no cell has been measured yet; run the study first"):
        load(run_of(tmp_path / "r", more_ids=(make_record().cell_id,)))
    folder = report(tmp_path / "b", make_record())
    for name in ("records.jsonl", "evidence.jsonl"):
        (folder / name).write_text("")
    with pytest.raises(RunFolderError, match="no cell has been measured yet"):
        load(folder)
