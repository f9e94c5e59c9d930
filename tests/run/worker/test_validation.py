"""Validation points: the training is the same with them, and each is what the model was then."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from bench.data.texts import Dataset, Split
from bench.errors import RunFolderError
from bench.measure.host_limits import status_bytes
from bench.measure.memory import restart_peaks
from bench.method import Method, Options, Task
from bench.run.marks import Marks
from bench.run.worker.phases import Phases
from bench.run.worker.validation import Snapshots, validate, validation_steps
from bench.study.cell import Cell
from bench.train.evaluate import for_inference
from bench.train.inputs import Inputs
from bench.train.loop import StepHook, StepLog, epoch_batches, num_steps, train
from bench.train.stored_weights import store_frozen_weights_as
from tests.known import known
from tests.report.conftest import _record
from tests.support import TRAIN_ROWS, WORDS
from tests.train.support import CPU, TRAINING, Everything, encoder, shipped

pytestmark = pytest.mark.usefixtures("one_thread")
LABELS = ("negative", "positive")
TASK = Task(labels=LABELS, max_length=16, kind="encoder")
STEPS = 12
MIB = 2**20
VALIDATION_ROWS = [(f"{start} {word}", label) for start in ("a", "a very") for word, label in WORDS]


class Watched(Inputs):
    """Keeps the scores of each prediction; ``seen`` is the test's own."""

    seen: list[NDArray[np.float32]] = []  # noqa: RUF012

    def predict(
        self, model: nn.Module, split: str, device: torch.device, on_step: StepHook, warmup_batches: int = 0
    ) -> tuple[NDArray[np.float32], StepLog]:
        scores, log = super().predict(model, split, device, on_step, warmup_batches)
        self.seen.append(scores)
        return scores, log


@pytest.fixture
def inputs(tiny_encoder: Path) -> Iterator[Watched]:
    def split(name: str, rows: list[tuple[str, int]]) -> Split:
        texts, labels = zip(*rows, strict=True)
        return Split([f"{name}/{i}" for i in range(len(rows))], list(texts), list(labels))

    settings = {"batch_size": 4, "inference_batch_size": 4, "epochs": 2, "max_steps": STEPS}
    cell = Cell.model_validate(_record().cell.model_dump() | {"seed": 3, "train": settings, "data": {"max_length": 16}})
    splits = {"train": split("train", TRAIN_ROWS), "validation": split("validation", VALIDATION_ROWS)}
    dataset = Dataset(labels=LABELS, splits=splits, validation_carved=False, sha256="")
    Watched.seen.clear()
    yield Watched.of(cell, dataset, AutoTokenizer.from_pretrained(tiny_encoder), splits)  # type: ignore[misc]
    Watched.seen.clear()


def trained(
    model: nn.Module, method: Method, inputs: Inputs, aside: Callable[[int], bool] | None, dtype: torch.dtype
) -> StepLog:
    settings, labels = inputs.cell.train, inputs.dataset.splits["train"].labels
    torch.manual_seed(1)
    batches = epoch_batches(inputs.tokens["train"], labels, settings, inputs.pad_id, 1)
    steps = num_steps(len(labels), settings)
    assert steps == STEPS
    return train(model, method, batches, steps, settings, CPU, dtype, lambda *_: None, aside=aside)


def keeping(snapshots: Snapshots) -> Callable[[int], bool]:
    def keep(step: int) -> bool:
        if snapshots.wanted(step):
            snapshots.keep(step)
            return True
        return False

    return keep


@pytest.mark.parametrize(
    ("total", "points", "steps"),
    [
        (60, 5, [12, 24, 36, 48, 60]), (10, 4, [3, 5, 8, 10]), (10, 1, [10]), (3, 50, [1, 2, 3]), (1, 1, [1]),
        (7, 0, []), (100_000, 3, [33_334, 66_667, 100_000]),
    ],
)  # fmt: skip
def test_points_are_spread_evenly_and_the_last_is_at_the_end(total: int, points: int, steps: list[int]) -> None:
    assert validation_steps(total, points) == steps


@pytest.mark.parametrize("name", TRAINING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_with_points_and_without_the_training_is_bitwise_the_same(
    name: str, dtype: torch.dtype, tiny_encoder: Path, inputs: Watched, tmp_path: Path
) -> None:
    """Losses, learning rates, weights, and the random numbers that come next; then the same after validation."""
    ended: list[tuple[StepLog, dict[str, Tensor], Tensor]] = []
    for points in (0, 4):
        method = shipped(name, learning_rate=1e-2)
        model = method.adapt(encoder(tiny_encoder), TASK)
        if dtype != torch.float32:
            store_frozen_weights_as(model, dtype)
        with Snapshots(model, validation_steps(STEPS, points), tmp_path) as snapshots:
            log = trained(model, method, inputs, keeping(snapshots), dtype)
            ended.append((log, {key: t.clone() for key, t in model.state_dict().items()}, torch.get_rng_state()))
            model.train()
            next(model.modules()).training = False  # any mode is to be found again
            before = [(tensor, tensor.data_ptr()) for tensor in (*model.parameters(), *model.buffers())]
            assert len(validate(model, inputs, snapshots, CPU, dtype, lambda *_: None)) == points
    (plain, weights, generator), (log, kept_weights, kept_generator) = ended
    assert log.losses == plain.losses
    assert log.learning_rates == plain.learning_rates
    assert torch.equal(generator, kept_generator)
    assert all(torch.equal(kept_weights[key], weights[key]) for key in weights)

    after = model.state_dict()
    assert all(torch.equal(after[key], weights[key]) for key in weights)
    assert all(after[key].dtype == weights[key].dtype for key in weights)
    now = [(tensor, tensor.data_ptr()) for tensor in (*model.parameters(), *model.buffers())]
    assert [pointer for _, pointer in now] == [pointer for _, pointer in before]
    assert all(one is other for (one, _), (other, _) in zip(now, before, strict=True))
    assert [module.training for module in model.modules()] == [False, *[True] * (len(list(model.modules())) - 1)]
    assert torch.equal(torch.get_rng_state(), kept_generator)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_each_point_is_what_the_model_was_then(
    dtype: torch.dtype, tiny_encoder: Path, inputs: Watched, tmp_path: Path
) -> None:
    """Scores are those of a training that ended there, as the evaluate phase predicts; the last one's too."""
    method = Everything(Options(learning_rate=1e-2))
    model = method.adapt(encoder(tiny_encoder), TASK)
    weights: dict[int, dict[str, Tensor]] = {}
    with Snapshots(model, validation_steps(STEPS, 4), tmp_path) as snapshots:
        keep = keeping(snapshots)

        def look(step: int) -> bool:
            if step in snapshots.steps:
                weights[step] = {key: tensor.clone() for key, tensor in model.state_dict().items()}
            return keep(step)

        trained(model, method, inputs, look, dtype)
        told: list[tuple[int, int]] = []
        found = validate(model, inputs, snapshots, CPU, dtype, lambda *done: told.append(done))
    scores = list(inputs.seen)
    assert len(scores) == len(found) == 4
    assert told == [(done, 8) for done in range(1, 9)]
    assert not np.array_equal(scores[0], scores[-1])
    for step, points_scores in zip(snapshots.steps, scores, strict=True):
        then = encoder(tiny_encoder)
        then.load_state_dict(weights[step])
        expected, _ = inputs.predict(for_inference(then, dtype, CPU), "validation", CPU, lambda *_: None)
        # In bf16 the evaluate phase lays weights out anew, for a kernel that may round another way.
        np.testing.assert_allclose(points_scores, expected, atol=0 if dtype == torch.float32 else 0.02)


def test_a_model_that_draws_when_it_predicts_changes_no_later_draw(
    tiny_encoder: Path, inputs: Watched, tmp_path: Path
) -> None:
    method = Everything(Options(learning_rate=1e-2))
    model = method.adapt(encoder(tiny_encoder), TASK)
    model.get_submodule("classifier").register_forward_hook(lambda _, __, scores: scores + torch.rand_like(scores))
    with Snapshots(model, [6, STEPS], tmp_path) as snapshots:
        trained(model, method, inputs, keeping(snapshots), torch.float32)
        before = torch.get_rng_state()
        validate(model, inputs, snapshots, CPU, torch.float32, lambda *_: None)
    assert torch.equal(torch.get_rng_state(), before)


class Normed(nn.Module):
    """A buffer that training changes, one that is no part of the state, one shared, one of a type numpy lacks."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(12.0).view(3, 4).t())  # not contiguous
        self.thirds = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
        self.tied = self.thirds
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer("seen", torch.tensor(0))
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("cache", torch.zeros(5), persistent=False)
        self.register_buffer("nothing", None)


def test_what_is_kept_is_what_training_changes_whatever_its_type_and_layout(tmp_path: Path) -> None:
    model = Normed()
    changing: list[Tensor] = [model.weight, model.thirds, model.get_buffer("seen"), model.get_buffer("flags")]
    with Snapshots(model, [1, 2, 3], tmp_path) as snapshots:
        kept: list[list[Tensor]] = []
        for step in (1, 2):
            with torch.no_grad():
                model.weight.add_(step)
                model.thirds.div_(3)
                model.get_buffer("seen").add_(1)
                model.get_buffer("flags").logical_not_()
                model.get_buffer("cache").add_(1)
            kept.append([tensor.clone() for tensor in changing])
            snapshots.keep(step)
        for step in (1, 2, 1):
            snapshots.load(step)
            assert all(torch.equal(now, then) for now, then in zip(changing, kept[step - 1], strict=True))
            assert model.weight.stride() == (1, 4)
            assert model.tied is model.thirds
            assert torch.equal(model.get_buffer("cache"), torch.full((5,), 2.0))
        assert not snapshots.wanted(3), "the model has the weights of the end"


def test_weights_of_one_layer_never_get_into_another(tmp_path: Path) -> None:
    """As where layers of one size are trained one after the other."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    model[0].requires_grad_(False)
    with Snapshots(model, [1, 2], tmp_path) as snapshots:
        snapshots.keep(1)
        model[0].requires_grad_(True)
        model[1].requires_grad_(False)
        with pytest.raises(ValueError, match="changed its set of trained weights"):
            snapshots.load(1)


def test_a_file_that_is_cut_short_is_no_weights(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    with Snapshots(model, [1, 2], tmp_path) as snapshots:
        snapshots.keep(1)
        known(snapshots._file).truncate(20)
        with pytest.raises(ValueError, match="the weights of step 1 are incomplete"):
            snapshots.load(1)


@pytest.mark.skipif(not status_bytes(), reason="no /proc: the host's peak is unknown here")
def test_keeping_weights_takes_no_memory(tmp_path: Path) -> None:
    """Neither a copy of the whole, here 47 MB, nor of the largest tensor, 20 MB; the peak of training is its own."""
    if not restart_peaks(CPU):
        pytest.skip("this kernel does not restart the peak resident set")
    sizes: dict[str, Any] = {
        "hidden_size": 256, "num_hidden_layers": 8, "num_attention_heads": 4, "intermediate_size": 1024,
    }  # fmt: skip
    model = BertForSequenceClassification(BertConfig(vocab_size=20_000, **sizes))
    assert sum(p.nbytes for p in model.parameters()) > 40 * MIB
    phases, process = Phases(CPU, tmp_path / "progress.json", Marks(tmp_path / "marks")), psutil.Process()
    with Snapshots(model, range(1, 4), tmp_path) as snapshots:
        phases.start("train", release=False)
        for step in (1, 2):
            before = process.memory_info().rss
            with phases.aside("validate"):
                snapshots.keep(step)
        phases.finish()
        assert os.fstat(snapshots._file.fileno()).st_size == 2 * sum(p.nbytes for p in model.parameters())  # type: ignore[union-attr]
    peaks = {phase.name: phase.peak_host_bytes or 0 for phase in phases.done}
    assert peaks["validate"] - before < 4 * MIB
    assert peaks["train"] - before < 4 * MIB


class TestDisk:
    def test_too_little_room_is_said_before_the_training(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bench.run.worker.validation.shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
        with pytest.raises(RunFolderError, match=r"needs 1.2e-06 GB .* 11 validation points, got 1e-06 GB; make room"):
            Snapshots(nn.Linear(29, 1), range(11), tmp_path)
        with Snapshots(nn.Linear(29, 1), [5], tmp_path) as one:
            assert not one.wanted(5), "the model has the weights of the end"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
    def test_a_disk_that_fills_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        full = "bench.run.worker.validation.tempfile.TemporaryFile"
        monkeypatch.setattr(full, lambda dir: io.BufferedRandom(io.FileIO("/dev/full", "r+")))
        with (
            pytest.raises(RunFolderError, match="cannot hold the weights of a step: No space left on device"),
            Snapshots(nn.Linear(2, 1), [1, 2], tmp_path) as snapshots,
        ):
            snapshots.keep(1)
        assert known(snapshots._file).closed
