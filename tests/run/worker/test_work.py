"""The state of the work on a cell: why a part of its speed is null, and which attention kernels ran."""

from pathlib import Path

import pytest

from bench.record.run_folder import CellFolder
from bench.run.worker.work import Work
from bench.train.loop import StepLog
from tests.known import known
from tests.report.conftest import _record


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(_record().cell.model_copy(update={"device": "cpu"}), CellFolder(tmp_path))


@pytest.mark.parametrize(
    ("told", "why"),
    [({"matmul_flops_per_second": "there is no room"}, "there is no room"), ({}, "FLOPs by length are not known")],
)
def test_why_a_share_of_what_the_device_can_do_is_null(told: dict[str, str], why: str, work: Work) -> None:
    work.facts["matmul_flops_per_second"] = None
    work.unknown |= told
    log = StepLog(seconds=[1.0], samples=[4], tokens=[40], padded_tokens=[40])
    assert known(work.speed("inference", log, 4, "inference", None)).mfu_fraction is None
    assert why in work.unknown["inference.mfu_fraction"]


def test_attention_kernels_of_all_passes_are_told_once(work: Work) -> None:
    work.attended_by({"math", "flash"})
    work.attended_by({"flash", "efficient"})
    assert work.facts["attention_kernels"] == ("efficient", "flash", "math")
