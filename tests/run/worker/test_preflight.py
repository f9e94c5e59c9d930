"""What is found to be wrong before any work."""

import json
from pathlib import Path

import pytest

from bench.run.worker.preflight import check_cells
from tests.report.conftest import _record


@pytest.mark.parametrize(("precision", "refused"), [("fp16", True), ("fp32", False)])
def test_fp16_is_refused_on_a_cpu(tmp_path: Path, precision: str, refused: bool) -> None:
    cell = _record().cell
    train = cell.train.model_copy(update={"precision": precision})
    cells = [cell.model_copy(update={"device": "cpu", "train": train}).model_dump(mode="json")] * 2
    (tmp_path / "request.json").write_text(json.dumps(cells))
    check_cells(tmp_path, 0.0)
    problems = json.loads((tmp_path / "answer.json").read_text())
    said = 'train.precision = "fp16" is for GPUs, and this study runs on a CPU; set "auto"'
    assert (problems == [said]) == refused, problems
