"""The training loop."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bench.data.batches import IGNORED, Batch
from bench.data.tokens import Tokens
from bench.errors import DivergedError
from bench.measure.warmup import WarmUp
from bench.method import Method, Options, Task
from bench.study.settings import TrainSettings
from bench.study.values import WeightsStorage
from bench.train.loop import StepLog, TrainStep, autocast, epoch_batches, learning_rate_factor, num_steps, train
from bench.train.stored_weights import store_frozen_weights_as, store_weights
from tests.known import known
from tests.train.support import CPU, Everything, encoder

pytestmark = pytest.mark.usefixtures("one_thread")
TASK = Task(labels=("negative", "positive"), max_length=16, kind="encoder")
GOOD, BAD = 5, 6  # any two tokens that tell the classes apart


def toy(samples: int = 32) -> tuple[Tokens, list[int]]:
    """Texts of different lengths whose label is told by one token."""
    rng = np.random.default_rng(0)
    labels = [i % 2 for i in range(samples)]
    rows = [[2, *[GOOD if label else BAD] * int(rng.integers(1, 6)), 3] for label in labels]
    offsets = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64)
    return Tokens(np.array([i for row in rows for i in row], dtype=np.int32), offsets, 0), labels


def trained(model: nn.Module, method: Method, dtype: torch.dtype = torch.float32, **changes: Any) -> StepLog:
    settings = TrainSettings.model_validate({"batch_size": 8, "epochs": 4} | changes)
    tokens, labels = toy()
    torch.manual_seed(1)
    steps = num_steps(len(labels), settings)
    batches = epoch_batches(tokens, labels, settings, 0, seed=1)
    return train(method.adapt(model, TASK), method, batches, steps, settings, CPU, dtype, lambda *_: None)


class TestLearningRate:
    @pytest.mark.parametrize(
        ("schedule", "factors"),
        [
            # 10 steps, 2 of them warm-up: thirds first, then eighths of the way down.
            ("linear", [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
            ("constant", [1 / 3, 2 / 3, *[1.0] * 8]),
            ("cosine", [1 / 3, 2 / 3, *[0.5 * (1 + math.cos(math.pi * i / 8)) for i in range(8)]]),
        ],
    )
    def test_known_values(self, schedule: str, factors: list[float]) -> None:
        settings = TrainSettings.model_validate({"schedule": schedule, "warmup_fraction": 0.2})
        assert [learning_rate_factor(step, 10, settings) for step in range(10)] == pytest.approx(factors)
        assert learning_rate_factor(10, 10, settings) == pytest.approx(1.0 if schedule == "constant" else 0.0)

    @given(
        total=st.integers(1, 500), warmup=st.floats(0, 0.99), schedule=st.sampled_from(["linear", "cosine", "constant"])
    )
    def test_every_step_learns_and_none_above_the_peak(self, total: int, warmup: float, schedule: str) -> None:
        settings = TrainSettings.model_validate({"schedule": schedule, "warmup_fraction": warmup})
        factors = [learning_rate_factor(step, total, settings) for step in range(total)]
        assert min(factors) > 0
        assert max(factors) <= 1
        peak = factors.index(max(factors))
        assert factors[: peak + 1] == sorted(factors[: peak + 1])
        assert factors[peak:] == sorted(factors[peak:], reverse=True)

    def test_peak_is_the_method_s_own(self, tiny_encoder: Path) -> None:
        log = trained(encoder(tiny_encoder), Everything(Options(learning_rate=0.002)), warmup_fraction=0.0)
        assert log.learning_rates[0] == pytest.approx(0.002)
        assert log.learning_rates[-1] == pytest.approx(0.002 / 16)


class TestSteps:
    @pytest.mark.parametrize(
        ("samples", "settings", "steps"),
        [
            (100, {"batch_size": 32, "epochs": 3}, 12), (96, {"batch_size": 32, "epochs": 3}, 9),
            (1, {"batch_size": 32, "epochs": 1}, 1), (100, {"batch_size": 32, "epochs": 3, "max_steps": 5}, 5),
            (100, {"batch_size": 32, "epochs": 3, "max_steps": 99}, 12),
        ],
    )  # fmt: skip
    def test_number(self, samples: int, settings: dict[str, int], steps: int) -> None:
        assert num_steps(samples, TrainSettings.model_validate(settings)) == steps

    def test_batches_are_as_many_and_hold_every_text_once_an_epoch(self) -> None:
        settings = TrainSettings(batch_size=5, epochs=3)
        tokens, labels = toy(32)
        batches = list(epoch_batches(tokens, labels, settings, 0, seed=0))
        assert len(batches) == num_steps(32, settings) == 21
        for epoch in range(3):
            seen = [i for batch in batches[epoch * 7 : epoch * 7 + 7] for i in batch.indices.tolist()]
            assert sorted(seen) == list(range(32))


class TestTrain:
    @pytest.mark.parametrize(
        ("dtype", "storage", "most"),
        [
            (torch.float32, "auto", 0.1), (torch.bfloat16, "auto", 0.2), (torch.float16, "auto", 0.2),
            (torch.bfloat16, "true", 0.3),
        ],
    )  # fmt: skip
    def test_loss_falls_on_a_separable_toy(
        self, dtype: torch.dtype, storage: WeightsStorage, most: float, tiny_encoder: Path
    ) -> None:
        model = encoder(tiny_encoder)
        if storage == "true":
            store_weights(model, dtype, storage)
        method = Everything(Options(learning_rate=1e-2))
        log = trained(model, method, dtype=dtype, epochs=8, weights_storage=storage)
        assert log.losses[0] == pytest.approx(math.log(2), abs=0.2)
        assert sum(log.losses[-4:]) / 4 < most

    def test_log_has_an_entry_a_step_and_a_seed_settles_its_losses(self, tiny_encoder: Path) -> None:
        log, again = (trained(encoder(tiny_encoder), Everything(Options())) for _ in range(2))
        assert log.losses == again.losses
        lists = [value for name in StepLog.__slots__ if isinstance(value := getattr(log, name), list)]
        assert {len(entries) for entries in lists} == {16}
        assert len(lists) == len(StepLog.__slots__) - 1
        tokens, _ = toy()
        assert sum(log.tokens) == 4 * len(tokens.ids)
        assert sum(log.samples) == 4 * 32
        assert all(padded >= real for padded, real in zip(log.padded_tokens, log.tokens, strict=True))
        assert min(log.seconds) > 0

    def test_hooks_are_called_once_a_step(self, tiny_encoder: Path) -> None:
        class Watched(Everything):
            steps: list[int] = []  # noqa: RUF012

            def after_step(self, model: nn.Module, step: int) -> None:
                self.steps.append(step)

        settings = TrainSettings(batch_size=8, epochs=1)
        method, told = Watched(Options()), []
        model = method.adapt(encoder(tiny_encoder), TASK)
        batches = epoch_batches(*toy(), settings, 0, seed=0)
        train(model, method, batches, 4, settings, CPU, torch.float32, lambda *done: told.append(done))
        assert Watched.steps == [0, 1, 2, 3]
        assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]

    @pytest.mark.timed
    def test_the_harness_s_own_time_is_told_from_the_steps(self, tiny_encoder: Path) -> None:
        """Warm-up and progress are looked after between two steps; a method's hook is a part of its step."""

        class Slow(Everything):
            def after_step(self, model: nn.Module, step: int) -> None:
                time.sleep(0.1)

        settings, method = TrainSettings(batch_size=8, epochs=1), Slow(Options())
        warmup = WarmUp(1, 4, lambda: time.sleep(0.03))
        log = train(
            method.adapt(encoder(tiny_encoder), TASK), method, epoch_batches(*toy(), settings, 0, seed=0), 4, settings,
            CPU, torch.float32, lambda *_: time.sleep(0.01), warmup=warmup,
        )  # fmt: skip
        assert warmup.steps == 1
        assert 0.04 <= log.harness_seconds < 0.4  # of which the method's hook alone takes as much
        assert min(log.seconds) >= 0.1

    def test_what_is_done_aside_is_in_no_step(self, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """By a clock that a step puts forward by a second, the end of warm-up by ten and what is aside by a hundred."""
        now = 0.0
        for module in ("bench.measure.clock", "bench.train.loop"):
            monkeypatch.setattr(f"{module}.monotonic_seconds", lambda: now)

        def pass_by(seconds: float) -> None:
            nonlocal now
            now += seconds

        class Timed(Everything):
            def after_step(self, model: nn.Module, step: int) -> None:
                pass_by(1)

        asked: list[int] = []

        def aside(step: int) -> bool:
            asked.append(step)
            if step in (1, 2):  # at the end of warm-up and after it
                pass_by(100)
            return step in (1, 2)

        settings, method = TrainSettings(batch_size=8, epochs=1), Timed(Options())
        log = train(
            method.adapt(encoder(tiny_encoder), TASK), method, epoch_batches(*toy(), settings, 0, seed=0), 4, settings,
            CPU, torch.float32, lambda *_: None, warmup=WarmUp(1, 4, lambda: pass_by(10)), aside=aside,
        )  # fmt: skip
        assert asked == [1, 2, 3, 4]
        assert log.seconds == [1, 1, 1, 1]
        assert log.harness_seconds == 0

    def test_extra_loss_is_trained_and_not_reported(self, tiny_encoder: Path) -> None:
        class Pulled(Everything):
            def extra_loss(self, model: nn.Module) -> Tensor | None:
                return 100 * (model.get_parameter("classifier.weight") ** 2).sum()

        model = encoder(tiny_encoder)
        log = trained(model, Pulled(Options(learning_rate=1e-3)))
        plain_model = encoder(tiny_encoder)
        plain = trained(plain_model, Everything(Options(learning_rate=1e-3)))
        assert log.losses[0] == plain.losses[0]
        norms = [dict(m.named_parameters())["classifier.weight"].norm() for m in (model, plain_model)]
        assert norms[0] < norms[1]

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_loss_that_is_no_number_ends_the_cell(self, value: float, tiny_encoder: Path) -> None:
        model = encoder(tiny_encoder)
        with torch.no_grad():
            dict(model.named_parameters())["classifier.bias"][0] = value
        with pytest.raises(DivergedError, match=r"the loss is (nan|inf) at step 1 of 16; try a lower learning_rate"):
            trained(model, Everything(Options()))

    @pytest.mark.parametrize(
        ("limit", "norm"), [(1.0, 1.0), (0.25, 0.25), (None, 1000 * 2**0.5 / 2), (1e6, 1000 * 2**0.5 / 2)]
    )
    def test_gradient_is_clipped(self, limit: float | None, norm: float) -> None:
        assert norms_at_update(limit, torch.float32) == pytest.approx([norm], rel=1e-4)


class Steep(nn.Module):
    """Two classes, and a gradient of (-500, 500) at the start."""

    weights: nn.Parameter

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(2))

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None) -> SimpleNamespace:
        return SimpleNamespace(logits=(1000 * self.weights).expand(len(input_ids), 2))


def norms_at_update(limit: float | None, dtype: torch.dtype) -> list[float]:
    """Norms of the gradient of ``Steep`` when the optimizer takes it, of one step clipped at a limit."""
    seen: list[float] = []
    steep = Steep()

    def look(*_: Any) -> None:
        seen.append(float(known(steep.weights.grad).norm()))

    watch = register_optimizer_step_pre_hook(look)
    batch = Batch(torch.zeros(1, 1, dtype=torch.int64), None, torch.tensor([0]), np.array([0]), 1)
    settings = TrainSettings(max_grad_norm=limit, warmup_fraction=0.0)
    try:
        train(steep, Everything(Options()), iter([batch]), 1, settings, CPU, dtype, lambda *_: None)
    finally:
        watch.remove()
    return seen


class TestStorage:
    def test_only_frozen_linear_and_embedding_weights_change(self, tiny_encoder: Path) -> None:
        model = encoder(tiny_encoder).requires_grad_(False)
        parameters = dict(model.named_parameters())
        kept = "bert.encoder.layer.0.attention.self.query.weight"
        parameters[kept].requires_grad_(True)
        store_frozen_weights_as(model, torch.bfloat16)
        for name, parameter in model.named_parameters():
            stays = "LayerNorm" in name or name == kept
            assert parameter.dtype == (torch.float32 if stays else torch.bfloat16), name


class TestGradientAccumulation:
    def steps(self, folder: Path, settings: dict[str, Any], weights: Tensor | None = None) -> dict[str, Tensor]:
        """The gradients of one batch of eight texts of different lengths."""
        model, method, train_settings = encoder(folder), Everything(Options()), TrainSettings.model_validate(settings)
        precision = autocast(CPU, torch.float32)
        step = TrainStep(model.eval(), method, 1, train_settings, precision, class_weights=weights)
        batch = next(epoch_batches(*toy(), TrainSettings(batch_size=8), 0, seed=0))
        self.loss = float(step.gradients(batch))
        return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}

    @pytest.mark.parametrize("parts", [2, 3, 8, 50])
    @pytest.mark.parametrize(
        ("settings", "weights"),
        [({}, None), ({"label_smoothing": 0.1}, torch.tensor([0.2, 1.8]))],
        ids=["plain", "weighted"],
    )
    def test_the_gradient_is_that_of_the_whole_batch(
        self, settings: dict[str, Any], weights: Tensor | None, parts: int, tiny_encoder: Path
    ) -> None:
        whole = self.steps(tiny_encoder, settings, weights)
        loss = self.loss
        split = self.steps(tiny_encoder, settings | {"gradient_accumulation_steps": parts}, weights)
        assert self.loss == pytest.approx(loss, rel=1e-5)
        for name, gradient in whole.items():
            torch.testing.assert_close(split[name], gradient, rtol=1e-3, atol=1e-6)

    def test_parts_weigh_by_their_targets(self) -> None:
        """A mean over tokens: a part with more of them counts for more."""
        ids = torch.ones(2, 4, dtype=torch.int64)
        batch = Batch(ids, None, torch.tensor([[IGNORED, IGNORED, 1], [1, 1, 1]]), np.arange(2), 8)
        settings = TrainSettings(gradient_accumulation_steps=2)
        step = TrainStep(Steep(), Everything(Options()), 1, settings, autocast(CPU, torch.float32), "causal")
        assert [float(share) for _, share in step.micro_batches(batch) if share is not None] == [0.25, 0.75]


def test_a_gradient_that_fp16_cannot_hold_is_scaled_and_clipped_as_it_is() -> None:
    """The scale is taken out before the norm is: half of it would else be cut away."""
    assert norms_at_update(1e6, torch.float16) == pytest.approx([1000 * 2**0.5 / 2], rel=1e-3)


@pytest.mark.parametrize("optimizer", ["adamw", "adamw_foreach", "adamw_8bit"])
def test_optimizers_take_the_same_steps(tiny_encoder: Path, optimizer: str) -> None:
    log = trained(encoder(tiny_encoder), Everything(Options(learning_rate=1e-3)), optimizer=optimizer)
    reference = trained(encoder(tiny_encoder), Everything(Options(learning_rate=1e-3)))
    assert log.losses == pytest.approx(reference.losses, abs=1e-4)


@pytest.mark.parametrize(
    ("storage", "frozen", "trained_in"),
    [
        ("auto", torch.bfloat16, torch.float32),
        ("mixed", torch.float32, torch.float32),
        ("true", torch.bfloat16, torch.bfloat16),
    ],
)
def test_weights_are_stored_as_asked(
    tiny_encoder: Path, storage: WeightsStorage, frozen: torch.dtype, trained_in: torch.dtype
) -> None:
    model = encoder(tiny_encoder).requires_grad_(False)
    kept = "bert.encoder.layer.0.attention.self.query.weight"
    model.get_parameter(kept).requires_grad_(True)
    store_weights(model, torch.bfloat16, storage)
    assert model.get_parameter(kept).dtype == trained_in
    assert model.get_parameter(kept.replace("query", "key")).dtype == frozen
    assert autocast(CPU, torch.bfloat16, storage)._enabled == (storage != "true")


def test_batches_that_run_out_are_our_mistake(tiny_encoder: Path) -> None:
    nothing: Iterator[Batch] = iter([])
    method = Everything(Options())
    with pytest.raises(StopIteration):
        train(encoder(tiny_encoder), method, nothing, 1, TrainSettings(), CPU, torch.float32, lambda *_: None)
