"""Which batch fits: a search over predicted peaks, and the memory that there is."""

import json
from pathlib import Path

import pytest
import torch

from bench.errors import RequestError
from bench.plan.row import PlanRow
from bench.record.memory_breakdown import MemoryBreakdown
from bench.run.worker import largest_batch as job
from bench.run.worker.largest_batch import largest_fitting_batch, room
from bench.study.cell import Cell
from bench.study.settings import Limits
from tests.report.conftest import _record
from tests.support import TEST_ROWS, TRAIN_ROWS, small_study, write_texts

LIMIT = "the card leaves it"


def row(peak_bytes: int | None, **facts: object) -> PlanRow:
    """A row of a plan of which the peak alone matters."""
    names = dict.fromkeys(("dataset", "model", "method", "dataset_label", "model_label", "method_label"), "x")
    breakdown = None
    if peak_bytes is not None:
        breakdown = MemoryBreakdown.of_tensors("train", {"weights": peak_bytes})
    shape = {"num_labels": 2, "sequence_length": 8, "batch_size": 4, "inference_batch_size": 4}
    return PlanRow.model_validate(
        {**names, **shape, "device": "cpu", "precision": "fp32", "inference_memory": breakdown, **facts}
    )


class TestSearch:
    @pytest.mark.parametrize(("size", "batch"), [(999, 5), (400, 0), (500, 1), (6799, 63)])
    def test_the_largest_batch_within_the_room(self, size: int, batch: int) -> None:
        asked: list[int] = []

        def row_at(batch: int) -> PlanRow:
            asked.append(batch)
            return row(400 + 100 * batch)

        found, said = largest_fitting_batch(row_at, 64, (size, LIMIT))
        assert found == batch
        assert LIMIT in said
        assert len(asked) <= 10, "each is a plan of its own"

    @pytest.mark.parametrize(("failed", "half"), [(64, 32), (3, 1), (1, 0)])
    def test_a_plan_that_should_have_been_right_is_halved(self, failed: int, half: int) -> None:
        found, said = largest_fitting_batch(lambda batch: row(batch), failed, (64, LIMIT))
        assert found == half
        assert "should have fit" in said

    @pytest.mark.parametrize(
        ("facts", "why"),
        [
            ({"unsupported": "no such layer"}, "no such layer"),
            ({"unknown": {"inference_memory": "8-bit operators do not run"}}, "8-bit operators"),
            ({}, "predicts no memory"),
        ],
    )
    def test_a_plan_that_cannot_tell_says_why(self, facts: dict[str, object], why: str) -> None:
        found, said = largest_fitting_batch(lambda _: row(None, **facts), 64, (10**9, LIMIT))
        assert found is None
        assert why in said


class TestRoom:
    def cell(self, limit: int | None) -> Cell:
        return _record().cell.model_copy(update={"limits": Limits(cell_memory_bytes=limit)})

    def test_libraries_and_gaps_are_taken_off_a_limit(self) -> None:
        size, said = room("cpu", "host", self.cell(8 * 10**9))
        larger, _ = room("cpu", "host", self.cell(11 * 10**9))
        assert 0 < size < 8 * 10**9 / (1 + job.HEAP_GAPS)
        assert larger - size == pytest.approx(2 * 10**9, rel=0.05)
        assert said.startswith("limits.cell_memory_bytes, 8.00 GB, leaves")

    def test_a_limit_below_the_libraries_leaves_nothing(self) -> None:
        assert room("cpu", "host", self.cell(10**6))[0] == 0

    def test_the_machine_is_a_limit(self) -> None:
        assert room("cpu", "host", self.cell(None))[0] > 0

    def test_a_plan_of_the_gpu_knows_nothing_of_the_host(self) -> None:
        with pytest.raises(RequestError, match="the host's ran out"):
            room("cuda", "host", self.cell(None))

    @pytest.mark.parametrize(("device", "index"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
    def test_what_is_free_of_the_cell_s_gpu(self, device: str, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another process may hold the rest."""
        free = {0: 60 * 10**9, 1: 20 * 10**9}
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (free[index], 80 * 10**9))
        size, said = room("cuda", "gpu", self.cell(None).model_copy(update={"device": device}))
        assert size == free[index]
        gb = [f"{number / 1e9:.2f} GB" for number in (free[index], size)]
        assert said == f"what is free of the memory of GPU {index}, {gb[0]}, leaves {gb[1]} for tensors"

    def test_a_gpu_that_is_nearly_full_leaves_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (0, 80 * 10**9))
        assert room("cuda", "gpu", self.cell(None))[0] == 0


@pytest.mark.parametrize(
    ("measured_on", "device", "asked"),
    [
        ("cuda", "auto", "cuda"), ("cuda", "cuda:1", "cuda:1"), ("cpu", "auto", "cpu"), ("cpu", "cpu", "cpu"),
        (None, "cuda:1", "cuda:1"), (None, "auto", "auto"),
    ],
)  # fmt: skip
def test_the_plan_is_of_the_device_that_the_cell_ran_on(measured_on: str | None, device: str, asked: str) -> None:
    assert job._device(measured_on, _record().cell.model_copy(update={"device": device})) == asked


def test_a_real_cell_is_answered(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.method import registry
    from bench.study.grid import expand, needed_plugins
    from bench.study.sources import locate
    from bench.study.study import Study

    texts = write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    study = Study.model_validate(small_study(tiny_encoder, texts, train={"batch_size": 64, "precision": "fp32"}))
    found = registry.find([])
    says = {name: registry.describe(plugin) for name, plugin in needed_plugins(study, found).items()}
    (cell,) = expand(study, found, says, locate(study))
    question = {
        "cell": cell.model_dump(mode="json"), "failed_batch": 64, "failure_memory": "host", "device": "cpu",
    }  # fmt: skip
    (tmp_path / "request.json").write_text(json.dumps(question))
    monkeypatch.setattr(job, "room", lambda *_: (1_500_000, "1.5 MB"))
    job.answer(tmp_path, 0.0)
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["batch_size"] is not None, answer
    assert 1 < answer["batch_size"] < 63
    assert f"batch {answer['batch_size']} fits" in answer["said"]
