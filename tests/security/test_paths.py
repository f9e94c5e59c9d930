"""Names from studies, plugins and records that would lead out of a folder, and links inside a run folder."""

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from bench.commands.audit.published import load
from bench.commands.cli import main
from bench.commands.explain.measured_cell import find
from bench.errors import RequestError, RunFolderError, StudyError
from bench.method.insight import Insight
from bench.record.files import write_text
from bench.record.run_folder import RunFolder
from bench.report.draw import draw
from bench.study.cell import slug
from bench.study.entries import DatasetEntry, ModelEntry
from tests.report.conftest import _record
from tests.report.predicted import study
from tests.security.hostile import NASTY

#: As names of folders and files, and what no path is made of.
LEADING_OUT = (
    "../../x", "..", ".", "", "/tmp/x", "a/b", "a\\b", "~", "a\0b", "a\nb", "-x", ".x", "x" * 300, "e\u0301", "\u202ex",
)  # fmt: skip


@pytest.fixture
def run_folder(tmp_path: Path) -> Iterator[RunFolder]:
    """A run of one cell, in a folder of its own; beside it a canary that must stay as it is."""
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "record.json").write_text("sings")
    run = RunFolder(tmp_path / "here" / "run")
    record = _record(dataset_name="../../d", model_name="/m", method_name="..", method="../x")
    paths = run.cell(record.cell_id)
    paths.path.mkdir(parents=True)
    write_text(paths.record, record.model_dump_json())
    part = {"name": "part", "title": "t", "caption": "c", "columns": {"x": [1]}}
    write_text(paths.insights, json.dumps({"parts": [part]}))
    rewrite(run, {"name": "s"}, [record.cell_id])
    yield run
    assert [path.name for path in canary.iterdir()] == ["record.json"]
    assert (canary / "record.json").read_text() == "sings"
    assert {path.name for path in tmp_path.iterdir()} == {"canary", "here"}


def rewrite(run: RunFolder, changes: dict[str, str], cell_ids: list[str]) -> None:
    content = {"schema_version": 1, "study": study(**changes), "command": "c", "written_at": "", "cell_ids": cell_ids}
    write_text(run.run, json.dumps(content))


def drawn(run: RunFolder) -> list[str]:
    """Files of the reports, after a draw of the run."""
    reports = run.path.parent / "reports"
    draw([run.path], reports, Console(file=io.StringIO()))
    return sorted(str(path.relative_to(reports)) for path in reports.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", LEADING_OUT)
def test_a_run_of_a_study_of_such_a_name_is_not_drawn(run_folder: RunFolder, name: str) -> None:
    """The name is that of the folder of the report."""
    rewrite(run_folder, {"name": name}, run_folder.cell_ids())
    with pytest.raises(RunFolderError, match=r"run\.json: study: name must match pattern"):
        drawn(run_folder)
    assert not (run_folder.path.parent / "reports").exists()


def test_a_record_of_such_names_is_drawn_inside(run_folder: RunFolder) -> None:
    files = drawn(run_folder)
    assert {file.partition("/")[0] for file in files} == {"s"}
    assert "s/insights/d__m__x/part.csv" in files


@pytest.mark.parametrize("name", NASTY)
def test_a_part_of_a_folder_s_name_holds_no_separator(name: str) -> None:
    assert Path(slug(name)).name == slug(name)
    assert not slug(name).startswith((".", "-"))


@pytest.mark.parametrize("name", LEADING_OUT)
def test_an_insight_of_such_a_name_is_none(name: str) -> None:
    with pytest.raises(ValidationError):
        Insight(name=name, title="t", caption="c", columns={})


@pytest.mark.parametrize("file", [*LEADING_OUT, "../x.csv", "/x.csv", "a/b.csv", "a\0.csv", "a\n.csv"])
def test_a_published_table_is_read_from_its_own_folder(tmp_path: Path, file: str) -> None:
    tables = f"[tables.a]\nfile = {json.dumps(file)}\n"
    (tmp_path / "published.toml").write_text(f'title = "t"\nstudy = "demo"\n{tables}', encoding="utf-8")
    said = r"tables\.a\.file: must be the name of a \.csv, \.md or \.tex file in the same folder"
    with pytest.raises(StudyError, match=said):
        load(tmp_path)


@pytest.mark.parametrize("stem", ["..", "...", "-x", "a b", "=1+1", "e\u0301", "$x", "<b>"])
def test_an_audit_is_named_after_its_file(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.csv"
    with path.open("w", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["dataset", "model", "method", "f1"], ["d", "m", "x", "0.5"]])
    name = f"audit_{load(path).name}"
    assert (tmp_path / name).parent == tmp_path
    assert Path(name).name == name


@pytest.mark.parametrize(
    "text", ["../x", "/x", "x/../../y", "a b", "a\0b", "", "owner/..", "~/x", "owner/name/more", "./x"]
)
def test_what_the_hub_s_clients_make_paths_of(text: str) -> None:
    for entry in (DatasetEntry, ModelEntry):
        with pytest.raises(ValidationError):
            entry(hub_id=text)
        if text != "owner/name/more":
            with pytest.raises(ValidationError):
                entry(hub_id="owner/name", revision=text)


class TestLinks:
    """A run folder may be reached through links; of what lies in it none is followed."""

    @pytest.mark.parametrize("part", ["cells", "jobs", "earlier", ".reserve", ".lock"])
    def test_in_place_of_what_a_run_writes(self, run_folder: RunFolder, part: str) -> None:
        place = run_folder.path / part
        if part == "cells":
            place.rename(run_folder.path / "were")
        place.symlink_to(run_folder.path.parent.parent / "canary")
        with pytest.raises(RunFolderError, match=f"{part} is a link, which a run does not follow"), run_folder.locked():
            pytest.fail("the run began")
        with pytest.raises(RunFolderError, match=f"{part} is a link"):
            run_folder.cell_ids()

    def test_in_place_of_a_cell(self, run_folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
        (cell_id,) = run_folder.cell_ids()
        place = run_folder.cell(cell_id).path
        place.rename(run_folder.path / "was")
        place.symlink_to(run_folder.path.parent.parent / "canary")
        with pytest.raises(RunFolderError, match="is a link, which a run does not follow"), run_folder.locked():
            pytest.fail("the run began")
        for verb in (["report"], ["explain"], ["compare"]):
            more = {"explain": [cell_id, "text"], "compare": [str(run_folder.path)], "report": []}[verb[0]]
            assert main([*verb, str(run_folder.path), *more]) == 2
            assert "is a link, which a run does not follow" in " ".join(capsys.readouterr().err.split())

    def test_in_place_of_a_file_that_is_written(self, run_folder: RunFolder) -> None:
        """The link is replaced, and so is one that stands where the file is written aside."""
        canary = run_folder.path.parent.parent / "canary" / "record.json"
        for name in ("record.json", f".record.json.{os.getpid()}"):
            (run_folder.path / name).symlink_to(canary)
        write_text(run_folder.path / "record.json", "new")
        assert not (run_folder.path / "record.json").is_symlink()
        assert (run_folder.path / "record.json").read_text() == "new"

    def test_to_the_run_folder_itself(self, run_folder: RunFolder) -> None:
        other = run_folder.path.parent / "other"
        other.symlink_to(run_folder.path)
        with RunFolder(other).locked():
            assert RunFolder(other).cell_ids() == run_folder.cell_ids()


@pytest.mark.parametrize("cell", [*LEADING_OUT, "../run", "cells"])
def test_a_cell_to_explain_is_one_of_the_run(run_folder: RunFolder, cell: str) -> None:
    rewrite(run_folder, {}, [*run_folder.cell_ids(), "another"])
    with pytest.raises(RequestError, match=r"(no cell|several cells) match|has not been measured"):
        find(run_folder, cell)
