"""Untimed steps on copies of the model: the memory breakdown, and whether a seed determines the loss.

Tracing every operator takes time, so this is a separate pass after the timed ones.
"""

import copy
import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.measure.attention import AttentionKernels
from bench.method import Method
from bench.study.cell import Cell
from bench.train.loop import TrainStep, autocast
from bench.train.memory import Held, hold_batch, hold_state, inference_peak, tracker_of, training_peaks
from bench.train.seeding import kept_generators, seed_generators

#: The first step creates the optimizer's state, so the second one has the full peak.
STEPS = 2


@dataclass(frozen=True, slots=True)
class TrainingPass:
    """The results of the steps.

    Attributes:
        held: bytes by kind at the highest peak of a training step.
        losses: losses of the same step from the same seed, run twice.
        gradient_norms: gradient norms likewise.
        attention_kernels: names of ``AttentionKernels``.
    """

    held: Held
    losses: tuple[float, float]
    gradient_norms: tuple[float, float]
    attention_kernels: frozenset[str]


@kept_generators()
def train_again(
    model: nn.Module, method: Method, cell: Cell, batch: Batch, device: torch.device, dtype: torch.dtype,
    class_weights: Tensor | None = None,
) -> TrainingPass:  # fmt: skip
    """Run steps on copies of a trained model and its method, which stay unchanged.

    Args:
        model: model on the device.
        method: method that adapted it.
        cell: cell with settings and seed.
        batch: batch that needs the most memory.
        device: device of the model.
        dtype: dtype of the matmuls.
        class_weights: weights of ``TaskLoss``.
    """
    model, method = _copied(model, method)
    model.train()
    precision = autocast(device, dtype, cell.train.weights_storage)
    step = TrainStep(model, method, STEPS, cell.train, precision, cell.model.kind, class_weights)
    batch = batch.to(device)
    first = _loss_and_gradient(step, batch, cell.seed)
    step.optimizer.zero_grad(set_to_none=True)
    again = _loss_and_gradient(step, batch, cell.seed)
    step.update()  # makes the optimizer's state
    tracker = tracker_of(model, device.type)
    hold_batch(tracker, batch)
    hold_state(tracker, step.optimizer)
    attention = AttentionKernels()
    peaks = training_peaks(step, batch, tracker, attention.watch)
    held = max(peaks.values(), key=lambda part: sum(part.values()))
    return TrainingPass(
        held=held, losses=(first[0], again[0]), gradient_norms=(first[1], again[1]), attention_kernels=attention.names
    )


def _copied(model: nn.Module, method: Method) -> tuple[nn.Module, Method]:
    """Copies of both, made together so that shared objects stay shared.

    Frozen weights are not copied, because no step changes them. A tensor with a gradient history, which a method may
    keep for its extra loss, cannot be copied and is replaced by its values.
    """
    shared: dict[int, Any] = {id(p): p for p in model.parameters() if not p.requires_grad}
    # issubclass, because isinstance makes an object of torch warn.
    kept = [o for o in gc.get_objects() if issubclass(type(o), Tensor) and not o.is_leaf]
    copied: tuple[nn.Module, Method] = copy.deepcopy(
        (model, method), shared | {id(t): t.detach().clone() for t in kept}
    )
    return copied


def _loss_and_gradient(step: TrainStep, batch: Batch, seed: int) -> tuple[float, float]:
    """The loss from a seed and the norm of its gradient; no weight changes."""
    seed_generators(seed)
    loss = step.gradients(batch)
    gradients = [p.grad for p in step.model.parameters() if p.grad is not None]
    norm = float(nn.utils.get_total_norm(gradients)) if gradients else 0.0
    return float(loss), norm


def infer_again(
    model: nn.Module, score: Callable[[Batch], Tensor], batch: Batch, device: torch.device
) -> tuple[Held, frozenset[str]]:
    """Bytes by kind at the peak of scoring a batch, and the attention kernels that ran."""
    batch = batch.to(device)
    tracker = tracker_of(model, device.type)
    hold_batch(tracker, batch)
    attention = AttentionKernels()
    held = inference_peak(score, batch, tracker, attention.watch)
    return held, attention.names
