"""The state of the work on a cell: readings of the matmul, and which attention kernels ran."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.measure import matmul
from bench.measure.flops.lengths import FlopsByLength
from bench.measure.matmul import MatmulRate
from bench.record.record import Training
from bench.record.run_folder import CellFolder
from bench.run.worker.work import Work
from bench.train.loop import StepLog
from tests.known import known
from tests.report.conftest import _record


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(_record().cell.model_copy(update={"device": "cpu"}), CellFolder(tmp_path))


LOG = StepLog(seconds=[1.0], samples=[4], tokens=[40], padded_tokens=[40])
#: 10 FLOPs a token, so 400 a second.
FLOPS = FlopsByLength((0.0, 10.0, 0.0))


def test_why_a_share_of_what_the_device_can_do_is_null(work: Work) -> None:
    assert known(work.speed("inference", LOG, 4, "inference", None)).mfu_fraction is None
    assert "FLOPs by length are not known" in work.unknown["inference.mfu_fraction"]


class TestReadings:
    """Of a matmul whose speed differs from reading to reading."""

    @pytest.fixture
    def closed(self, work: Work, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Work]:
        def measured(*rates: float) -> Work:
            found = iter(rates)
            monkeypatch.setattr(matmul, "matmul_rate", lambda device, dtype: MatmulRate(next(found)))
            with work.phases.timed("calibrate"):
                work.read_matmul("calibrate")
            work.facts["training"] = Training(
                steps=1, samples=4, final_loss=1.0, speed=work.speed("training.speed", LOG, 4, "train", FLOPS)
            )
            work.read_matmul_after("train")
            work.facts["inference"] = work.speed("inference", LOG, 4, "inference", FLOPS)
            work.read_matmul_after("inference")
            work.close()
            return work

        return measured

    def test_the_highest_counts_for_each_pass(self, closed: Callable[..., Work]) -> None:
        work = closed(900.0, 1000.0, 950.0)
        assert work.facts["matmul_flops_per_second"] == 1000
        assert work.facts["matmul_readings_flops_per_second"] == {"calibrate": 900, "train": 1000, "inference": 950}
        assert known(known(work.facts["training"]).speed).mfu_fraction == 0.4
        assert known(work.facts["inference"]).mfu_fraction == 0.4
        verdicts = {check.name: check.verdict for check in work.checks}
        assert (verdicts["plausible training"], verdicts["plausible inference"]) == ("valid", "valid")

    def test_readings_that_disagree_leave_it_unknown(self, closed: Callable[..., Work]) -> None:
        work = closed(500.0, 1000.0, 950.0)
        assert known(known(work.facts["training"]).speed).mfu_fraction is None
        for field in ("training.speed.mfu_fraction", "inference.mfu_fraction"):
            assert "the highest is 2.00 times the lowest" in work.unknown[field]

    def test_the_reading_is_no_part_of_the_pass_s_phase(self, closed: Callable[..., Work]) -> None:
        work = closed(1.0, 1.0, 1.0)
        assert [phase.name for phase in work.phases.done] == ["calibrate"] * 3


def test_attention_kernels_of_all_passes_are_told_once(work: Work) -> None:
    work.attended_by({"math", "flash"})
    work.attended_by({"flash", "efficient"})
    assert work.facts["attention_kernels"] == ("efficient", "flash", "math")
