"""A report against its own records: whole, and with every file changed in turn."""

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from bench.commands.cli import main
from bench.errors import RunFolderError
from bench.report import manifest
from bench.report.draw import draw
from bench.report.manifest import MANIFEST
from bench.report.results.archive import EVIDENCE, RECORDS, STUDY
from bench.report.verify import verify
from tests.report.conftest import MakeRecord
from tests.report.results.test_load import run_folder

FORMATS = ("md", "csv", "tex")
COMMITTED = sorted(path.parent for path in (Path(__file__).parents[2] / "reports").glob("*/report.json"))


@pytest.fixture
def report(make_record: MakeRecord, tmp_path: Path) -> Path:
    """A report of two methods and seeds."""
    cells = [{"method": method, "seed": seed} for method in ("LoRA", "BitFit") for seed in (0, 1)]
    folder = run_folder(tmp_path / "run", make_record, *cells)
    draw([folder], tmp_path / "reports", Console(file=io.StringIO()), FORMATS)
    return tmp_path / "reports" / "s"


def test_a_report_is_what_its_records_give(report: Path) -> None:
    compared, wrong = verify(report)
    assert wrong == []
    assert compared == len([path for path in report.rglob("*") if path.is_file()]) - 1


def test_every_file_counts(report: Path) -> None:
    tables = [path for path in report.rglob("*") if path.is_file() and path.suffix in (".md", ".csv", ".tex")]
    assert len(tables) > 6
    for path in tables:
        whole = path.read_bytes()
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        assert f"{path.name} is not what its records give: line 1 differs" in verify(report)[1]
        path.unlink()
        assert f"{path.name} is missing" in verify(report)[1]
        path.write_bytes(whole)
    assert verify(report)[1] == []


def test_records_count(report: Path) -> None:
    path = report / RECORDS
    path.write_text(path.read_text().replace('"macro_f1": 1.0', '"macro_f1": 0.9'))
    wrong = verify(report)[1]
    assert f"{RECORDS} is not the file that the report was drawn from: its sha256 is another" in wrong
    assert any(text.startswith("table3.md is not what its records give") for text in wrong)


def test_a_file_that_a_report_does_not_give(report: Path) -> None:
    said = json.loads((report / MANIFEST).read_text())
    (report / "more.md").write_text("more")
    assert verify(report)[1] == []
    (report / MANIFEST).write_text(json.dumps(said | {"files": said["files"] | {"more.md": "0"}}))
    assert verify(report)[1] == ["more.md does not come from these records"]


@pytest.mark.parametrize("name", [EVIDENCE, STUDY])
def test_what_stands_beside_the_records_counts(report: Path, name: str) -> None:
    path = report / name
    path.write_text(path.read_text().replace('"test/3"', '"test/9999"').replace("tunebench run s", "tunebench run t"))
    assert any(text.startswith(f"{name} is not ") for text in verify(report)[1])


def test_a_manifest_without_hashes(report: Path) -> None:
    said = json.loads((report / MANIFEST).read_text())
    (report / MANIFEST).write_text(json.dumps(said | {"files": dict.fromkeys(said["files"], "0" * 64)}))
    assert len(verify(report)[1]) == len(said["files"])
    (report / MANIFEST).write_text(json.dumps(said | {"files": {}}))
    assert len(verify(report)[1]) == len(said["files"])


def test_a_pipe_is_not_waited_for(report: Path) -> None:
    (report / "table3.md").unlink()
    os.mkfifo(report / "table3.md")
    assert "table3.md is no file" in verify(report)[1]


def test_other_versions_are_said(report: Path) -> None:
    said = json.loads((report / MANIFEST).read_text())
    (report / MANIFEST).write_text(json.dumps(said | {"drawn_with": said["drawn_with"] | {"pandas": "0.1"}}))
    assert verify(report)[1] == []
    (report / "table3.md").unlink()
    assert verify(report)[1][-1].startswith("it was drawn with other versions, which may be why: pandas 0.1, here ")


def test_drawn_again_from_itself(report: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in report.glob("*.*")}
    draw([report], tmp_path / "again", Console(file=io.StringIO()), FORMATS)
    assert {path.name: path.read_bytes() for path in (tmp_path / "again" / "s").glob("*.*")} == before


def test_what_is_no_report(report: Path) -> None:
    (report / MANIFEST).unlink()
    with pytest.raises(RunFolderError, match="no report that can be verified"):
        verify(report)


def test_on_the_command_line(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--verify", str(report)]) == 0
    assert "files match its records, byte by byte" in capsys.readouterr().out
    (report / "table3.csv").write_text("")
    assert main(["report", "--verify", str(report)]) == 1
    assert "table3.csv is not what its records give" in capsys.readouterr().out
    assert main(["report", "--verify", str(report), "runs/s"]) == 2
    assert main(["report", "--verify", str(report), "--format", "md"]) == 2
    assert "leave --format and --log out" in capsys.readouterr().err
    assert main(["report", "--verify", "nowhere"]) == 2
    assert main(["report"]) == 2
    assert "name a run folder or a report" in capsys.readouterr().err


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_the_committed_reports(folder: Path) -> None:
    if manifest.read(folder).drawn_with != manifest.versions():
        pytest.skip("drawn with other versions")
    assert verify(folder)[1] == []


def test_there_are_committed_reports() -> None:
    assert {"minilm_real", "repeatability", "expert_ablation"} <= {folder.name for folder in COMMITTED}
