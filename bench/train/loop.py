"""The training loop."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.clocks import monotonic_seconds
from bench.data.batches import Batch, Collate, MicroBatch, collate, training_order
from bench.data.tokens import Tokens
from bench.errors import DivergedError
from bench.measure.clock import StepClock, held_garbage_collection
from bench.measure.warmup import WarmUp
from bench.method import Method
from bench.method.architecture import ModelKind
from bench.model.load import answer_logits, class_logits
from bench.study.settings import TrainSettings
from bench.study.values import WeightsStorage
from bench.train.losses import TaskLoss
from bench.train.optimizers import make_optimizer

StepHook = Callable[[int, int], None]
"""Callback after each step, with finished and total steps."""
Aside = Callable[[int], bool]
"""Callback between two steps, with the finished steps; returns whether it took time, which no step counts."""


@dataclass(slots=True)
class StepLog:
    """Log of a pass, with one entry per step.

    Attributes:
        seconds: wall-clock time.
        samples: sequences.
        tokens: non-padding tokens.
        padded_tokens: tokens with padding.
        losses: task loss in nats, empty when predicting.
        learning_rates: learning rate of the first parameter group, empty when predicting.
        harness_seconds: host time that the harness took between steps to report progress.
    """

    seconds: list[float] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    padded_tokens: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    harness_seconds: float = 0.0

    def count(self, batch: Batch) -> None:
        """Add the sizes of one step's batch."""
        self.samples.append(len(batch.indices))
        self.tokens.append(batch.tokens)
        self.padded_tokens.append(batch.padded_tokens)


def schedule(lengths: NDArray[np.int64], settings: TrainSettings, seed: int) -> Iterator[NDArray[np.int64]]:
    """Indices of each batch of all epochs, in the seed's order."""
    rng = np.random.default_rng(seed)
    for _ in range(settings.epochs):
        yield from training_order(lengths, settings.batch_size, rng)


def epoch_batches(
    tokens: Tokens, labels: list[int], settings: TrainSettings, pad_id: int, seed: int, make: Collate = collate
) -> Iterator[Batch]:
    """Batches of all epochs, in the seed's order, collated by ``make``."""
    return (make(tokens, labels, indices, pad_id) for indices in schedule(tokens.lengths, settings, seed))


def num_steps(samples: int, settings: TrainSettings) -> int:
    """Number of optimizer steps of a training."""
    steps = math.ceil(samples / settings.batch_size) * settings.epochs
    return min(steps, settings.max_steps or steps)


#: Dtype of matmuls by ``train.precision``.
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def autocast(device: torch.device, dtype: torch.dtype, storage: WeightsStorage = "auto") -> torch.autocast:
    """Autocast of matmuls to ``dtype``; off for fp32, and if all weights are stored in ``dtype``."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32 and storage != "true")


def learning_rate_factor(step: int, total: int, settings: TrainSettings) -> float:
    """Fraction of the peak learning rate at a step, counted from 0: linear warm-up, then the schedule."""
    warmup = round(total * settings.warmup_fraction)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if settings.schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(1, total - warmup)
    return 1.0 - progress if settings.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))


class TrainStep:
    """One training step: forward, backward, clipping and update."""

    def __init__(
        self, model: nn.Module, method: Method, total_steps: int, settings: TrainSettings, precision: torch.autocast,
        kind: ModelKind = "encoder", class_weights: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Set up the optimizer and its schedule.

        Args:
            model: adapted model on its device.
            method: method with parameter groups, extra loss and step hook.
            total_steps: number of optimizer steps of the schedule.
            settings: schedule and clipping.
            precision: see ``autocast``.
            kind: kind of model.
            class_weights: see ``TaskLoss``.
        """
        self.model, self.method, self.kind = model, method, kind
        self.task_loss = TaskLoss(class_weights, settings.label_smoothing)
        self.optimizer = make_optimizer(method.parameter_groups(model), method.options.learning_rate, settings)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: learning_rate_factor(step, total_steps, settings)
        )
        self._trainable = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self._settings = settings
        self._precision = precision
        self._steps = 0
        # fp16 underflows below 6e-8, so the loss is scaled (Micikevicius et al. 2017, arXiv 1710.03740).
        scales = precision.fast_dtype == torch.float16
        self._scaler = torch.amp.GradScaler(precision.device, enabled=scales)

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first parameter group in the next step."""
        return float(self._schedule.get_last_lr()[0])

    def __call__(self, batch: Batch) -> Tensor:
        """Take one step; returns the task loss, a detached scalar on the device."""
        loss = self.gradients(batch)
        self.update()
        return loss

    def gradients(self, batch: Batch) -> Tensor:
        """Forward and backward over the whole batch; returns the task loss, a detached scalar."""
        losses = []
        for part, share in self.micro_batches(batch):
            loss, total = self.loss(part)
            self.backward(total, share)
            losses.append(loss if share is None else loss * share)
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def micro_batches(self, batch: Batch) -> list[tuple[MicroBatch, Tensor | None]]:
        """The parts of a batch for gradient accumulation, each with its share of the targets.

        The share is a scalar on the device, or None for a batch that is not split. Gradients weighted by it add up to
        those of the whole batch, for any number and class weights of targets per part.
        """
        parts = batch.split(self._settings.gradient_accumulation_steps)
        if len(parts) == 1:
            return [(parts[0], None)]
        weights = [self.task_loss.weight(part.labels) for part in parts]
        total = torch.stack(weights).sum()
        return [(part, weight / total) for part, weight in zip(parts, weights, strict=True)]

    def loss(self, batch: Batch | MicroBatch) -> tuple[Tensor, Tensor]:
        """The detached task loss, and the total loss for backward, with the method's extra loss."""
        with self._precision:
            if self.kind == "encoder":
                logits = class_logits(self.model, batch.input_ids, batch.attention_mask, batch.token_types)
                targets = batch.labels
            else:
                tokens = batch.labels.shape[1]
                scores = answer_logits(self.model, batch.input_ids, batch.attention_mask, tokens)
                logits, targets = scores.flatten(0, 1), batch.labels.flatten()
        loss = self.task_loss(logits, targets)
        extra = self.method.extra_loss(self.model)
        return loss.detach(), loss if extra is None else loss + extra

    def backward(self, total: Tensor, share: Tensor | None = None) -> None:
        """Accumulate the gradients of a loss, weighted by its share of the step."""
        self._scaler.scale(total if share is None else total * share).backward()

    def update(self) -> None:
        """Clip the gradients, update the weights, call the method's step hook and free the gradients."""
        self._scaler.unscale_(self.optimizer)
        if self._settings.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self._trainable, self._settings.max_grad_norm, foreach=True)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.method.after_step(self.model, self._steps)
        self._steps += 1
        self.optimizer.zero_grad(set_to_none=True)
        self._schedule.step()


def train(
    model: nn.Module, method: Method, batches: Iterator[Batch], total_steps: int, settings: TrainSettings,
    device: torch.device, dtype: torch.dtype, on_step: StepHook, kind: ModelKind = "encoder",
    warmup: WarmUp | None = None, aside: Aside | None = None, class_weights: Tensor | None = None,
    ended: Callable[[], bool] = lambda: False,
) -> StepLog:  # fmt: skip
    """Train the adapted model in place.

    Args:
        model: adapted model on the device.
        method: method with parameter groups, extra loss and step hook.
        batches: iterator of at least ``total_steps`` batches.
        total_steps: number of optimizer steps.
        settings: schedule and clipping.
        device: device of the model.
        dtype: dtype of the matmuls.
        on_step: callback after each step.
        kind: kind of model; batches of a causal one end with answers.
        warmup: detector of the end of warm-up.
        aside: work between steps that is not part of the training.
        class_weights: see ``TaskLoss``.
        ended: predicate after each step that stops the training early.

    Raises:
        DivergedError: a loss is not finite.
    """
    precision = autocast(device, dtype, settings.weights_storage)
    take_step = TrainStep(model, method, total_steps, settings, precision, kind, class_weights)
    log = StepLog()
    losses: list[Tensor] = []
    model.train()
    with held_garbage_collection():
        clock = StepClock(device)
        for step in range(total_steps):
            batch = next(batches).to(device)
            log.learning_rates.append(take_step.learning_rate)
            losses.append(take_step(batch))
            log.count(batch)
            clock.mark()
            if warmup is not None:
                warmup.step(clock, log.padded_tokens)
            if aside is not None and aside(step + 1):
                clock.resume()
            marked = monotonic_seconds()
            on_step(step + 1, total_steps)
            log.harness_seconds += monotonic_seconds() - marked
            if ended():
                break
        if warmup is not None:
            warmup.stop(len(losses))
        log.seconds = clock.seconds()
    log.losses = torch.stack(losses).float().tolist()  # read once, because each read synchronises the device
    _check_finite(log.losses)
    return log


def _check_finite(losses: list[float]) -> None:
    for step, loss in enumerate(losses):
        if not math.isfinite(loss):
            raise DivergedError(f"the loss is {loss} at step {step + 1} of {len(losses)}; try a lower learning_rate")
