"""Whole cells that keep the best weights, that stop early, and that do both: what is recorded and evaluated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.clocks import monotonic_seconds
from bench.record.record import RANDOM_WEIGHTS, Record, Training
from bench.run.worker import validation
from bench.train.inputs import Inputs
from tests.known import known
from tests.run.worker.test_validated_cells import STEPS, RunOne, checked, run_one

__all__ = ["run_one"]
pytestmark = pytest.mark.usefixtures("one_thread")
POINTS = [3, 6, 9, 12]


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Has the points score as told, while their predictions are made all the same."""
    true = validation.macro_f1

    def of(*scores: float) -> list[float]:
        left = list(scores)

        def found(*given: Any) -> float:
            true(*given)
            return left.pop(0)

        monkeypatch.setattr(validation, "macro_f1", found)
        return left

    return of


def trained(record: Record) -> Training:
    assert record.status == "ok", record.failure
    return known(record.training)


def step_seconds(folder: Path) -> list[float]:
    rows = [line.split(",") for line in (folder / "steps.csv").read_text().splitlines()]
    return [float(row[2]) for row in rows if row[0] == "train"]


def test_the_best_is_what_a_training_that_ended_there_gives(
    run_one: RunOne, scored: Callable[..., list[float]]
) -> None:
    """With a constant learning rate the first six steps are those of a training of six."""
    train = {"schedule": "constant", "warmup_fraction": 0.0}
    whole, there = run_one(train=train | {"max_steps": 6, "validation_points": 0})
    wanted = (there / "predictions.jsonl").read_bytes()
    left = scored(0.1, 0.9, 0.5, 0.9)
    record, folder = run_one(train=train | {"keep": "best"})
    found = trained(record)
    assert left == []
    assert (found.steps, found.planned_steps, found.best_step, found.kept_step) == (STEPS, STEPS, 6, 6)
    assert [point.step for point in found.validation] == POINTS
    seconds = step_seconds(folder)
    assert found.best_seconds == pytest.approx(sum(seconds[:6]))
    assert found.train_seconds == pytest.approx(sum(seconds))
    assert (folder / "predictions.jsonl").read_bytes() == wanted
    assert record.validation_macro_f1 == whole.validation_macro_f1


def test_the_f1_of_the_kept_weights_is_that_of_their_point(run_one: RunOne) -> None:
    record, _ = run_one(train={"keep": "best"})
    found = trained(record)
    best = max(point.macro_f1 for point in found.validation)
    assert record.validation_macro_f1 == best
    assert next(point.step for point in found.validation if point.macro_f1 == best) == found.kept_step


def test_where_the_last_is_the_best_nothing_differs(run_one: RunOne, scored: Callable[..., list[float]]) -> None:
    plain, there = run_one()
    wanted = (there / "predictions.jsonl").read_bytes()
    assert (trained(plain).kept_step, trained(plain).planned_steps) == (STEPS, STEPS)
    for train in ({"keep": "best"}, {"keep": "best", "early_stopping_patience": 1}):
        scored(0.1, 0.2, 0.3, 0.4)
        record, folder = run_one(train=train)
        assert trained(record).kept_step == STEPS
        assert trained(record).final_loss == trained(plain).final_loss
        assert (folder / "predictions.jsonl").read_bytes() == wanted


@pytest.mark.parametrize("keep", ["last", "best"])
def test_early_stopping(keep: str, run_one: RunOne, scored: Callable[..., list[float]]) -> None:
    """The steps that are taken are those of a training that is not stopped, and are counted right."""
    _, there = run_one()
    losses_before = [line.split(",")[6] for line in (there / "steps.csv").read_text().splitlines()[1 : 9 + 1]]
    left = scored(0.5, 0.4, 0.4)
    record, folder = run_one(train={"early_stopping_patience": 2, "keep": keep})
    found = trained(record)
    assert left == []
    assert (found.steps, found.planned_steps, found.best_step) == (9, STEPS, 3)
    assert found.kept_step == (3 if keep == "best" else 9)
    assert found.samples == 9 * 4
    assert [(point.step, point.macro_f1) for point in found.validation] == [(3, 0.5), (6, 0.4), (9, 0.4)]
    losses = [line.split(",")[6] for line in (folder / "steps.csv").read_text().splitlines()[1 : 9 + 1]]
    assert losses == losses_before
    seconds = step_seconds(folder)
    assert len(seconds) == 9
    assert found.best_seconds == pytest.approx(sum(seconds[:3]))
    assert found.train_seconds == pytest.approx(sum(seconds))
    assert known(found.speed).timed_steps == 7, "two of the nine were warm-up"
    assert checked(record)["tokens of training"] == checked(record)["same seed, same loss"] == "valid"
    names = [phase.name for phase in record.phases]
    assert names.count("train") == 1
    assert "validate" in names
    assert sum(phase.seconds for phase in record.phases) <= record.wall_seconds


def test_a_training_that_ends_amid_its_warm_up_has_no_speed(
    run_one: RunOne, scored: Callable[..., list[float]]
) -> None:
    scored(0.5, 0.4)
    train = {"early_stopping_patience": 1, "validation_points": STEPS, "timing_warmup_steps": 9}
    record, _ = run_one(train=train)
    assert trained(record).steps == 2
    assert trained(record).speed is None
    assert record.unknown["training.speed"] == "all 2 steps were warm-up"


def test_predicting_amid_the_training_is_in_no_step(run_one: RunOne, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each point takes a made-up hour of the clock that everything reads."""
    hours = 0.0
    predict = Inputs.predict

    def slow(self: Inputs, model: Any, split: str, *given: Any) -> Any:
        nonlocal hours
        hours += 3600.0 * (split == "validation" and any(p.requires_grad for p in model.parameters()))
        return predict(self, model, split, *given)

    for module in ("bench.measure.clock", "bench.train.loop", "bench.run.worker.phases"):
        monkeypatch.setattr(f"{module}.monotonic_seconds", lambda: monotonic_seconds() + hours)
    monkeypatch.setattr(Inputs, "predict", slow)
    record, folder = run_one(train={"early_stopping_patience": 4})
    assert trained(record).steps == STEPS
    assert hours == 4 * 3600
    assert max(step_seconds(folder)) < 60
    (validated,) = (phase.seconds for phase in record.phases if phase.name == "validate" and phase.seconds > 3600)
    assert validated >= 4 * 3600
    assert all(phase.seconds < 60 for phase in record.phases if phase.name in ("warm-up", "train"))


def test_weights_that_cannot_be_put_back_are_an_error_where_the_best_are_asked_for(run_one: RunOne) -> None:
    grows = """
    def after_step(self, model, step):
        import torch
        model.register_buffer("notes", torch.zeros(step + 1))
"""
    record, _ = run_one(grows, train={"keep": "best"})
    assert record.status == "error"
    assert known(record.failure).phase == "validate"
    assert "changed its set of trained weights" in known(record.failure).message


def test_random_weights_have_no_points_and_are_trained_to_the_end(run_one: RunOne, tiny_encoder: Path) -> None:
    models = {"tiny": {"path": str(tiny_encoder), "weights": "random"}}
    record, _ = run_one(models=models, train={"keep": "best", "early_stopping_patience": 1})
    found = trained(record)
    assert (found.steps, found.kept_step, found.best_step, found.validation) == (STEPS, STEPS, None, ())
    assert record.unknown["training.best_step"] == record.unknown["training.validation"] == RANDOM_WEIGHTS
    assert "validate" not in {phase.name for phase in record.phases}


def test_validation_amid_a_training_leaves_it_able_to_go_on(run_one: RunOne) -> None:
    """A model may keep what it works out when it predicts: made in inference mode, no step could use it."""
    keeps = """
    def adapt(self, model, task):
        import torch
        def keep(module, inputs, output):
            if not torch.is_grad_enabled() and output.device.type == "cpu" and not hasattr(module, "ones"):
                module.ones = output * 0 + 1
            return output * module.ones[:1, :1] if hasattr(module, "ones") else output

        model.classifier.register_forward_hook(keep)
        return model.requires_grad_(True)
"""
    record, _ = run_one(keeps, train={"early_stopping_patience": 4})
    assert trained(record).steps == STEPS
