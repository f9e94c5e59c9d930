"""What is drawn of a study that stopped before its end."""

from pathlib import Path

from bench.commands.run import _draw_rest
from bench.errors import StoppedError
from tests.commands.compare.support import alone, run_folder
from tests.report.conftest import MakeRecord


def test_a_stopped_run_is_drawn_in_the_wanted_formats(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "s", alone(make_record()), more_ids=["another"])
    _draw_rest(StoppedError("the disk is full"), folder, tmp_path / "reports", ["csv"], wide=False)
    names = {path.name for path in (tmp_path / "reports" / "s").iterdir()}
    assert "table3.csv" in names
    assert not names & {"table3.md", "table3.tex", "report.html"}


def test_why_the_rest_cannot_be_drawn_is_said_too(tmp_path: Path) -> None:
    stopped = StoppedError("the disk is full")
    _draw_rest(stopped, tmp_path / "no_run", tmp_path / "reports", None, wide=False)
    assert str(stopped).startswith("the disk is full\n")
    assert "no_run" in str(stopped)
