"""Steps taken once more, after the timed ones and on copies: what fills the memory, and is the loss settled by a seed.

Watching every operator costs time and would disturb a timing pass, so this is a pass of its own.
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

#: The optimizer's state is made in the first step; the second finds everything in place.
STEPS = 2


@dataclass(frozen=True, slots=True)
class StepsAgain:
    """What the steps showed.

    Attributes:
        held: bytes by kind at the highest peak of a training step.
        losses: of the same step from the same seed, twice.
        gradient_norms: likewise.
        attention_kernels: see ``AttentionKernels``.
    """

    held: Held
    losses: tuple[float, float]
    gradient_norms: tuple[float, float]
    attention_kernels: frozenset[str]


@kept_generators()
def train_again(
    model: nn.Module, method: Method, cell: Cell, batch: Batch, device: torch.device, dtype: torch.dtype,
    class_weights: Tensor | None = None,
) -> StepsAgain:  # fmt: skip
    """Take steps on copies of a trained model and its method, which stay as they are.

    Args:
        model: on the device.
        method: that adapted it.
        cell: for its settings and its seed.
        batch: that needs the most memory.
        device: where the model lies.
        dtype: of the matmuls.
        class_weights: see ``TaskLoss``.
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
    method.after_step(model, 0)
    tracker = tracker_of(model, device.type)
    hold_batch(tracker, batch)
    hold_state(tracker, step.optimizer)
    attention = AttentionKernels()
    peaks = training_peaks(step, batch, tracker, attention.watch)
    method.after_step(model, 1)
    held = max(peaks.values(), key=lambda part: sum(part.values()))
    return StepsAgain(
        held=held,
        losses=(first[0], again[0]),
        gradient_norms=(first[1], again[1]),
        attention_kernels=attention.names,
    )


def _copied(model: nn.Module, method: Method) -> tuple[nn.Module, Method]:
    """Copies of both, made at once so that what they share stays shared.

    Frozen weights, which no step changes, are shared. A tensor with a history, which a method may keep for its extra
    loss, refuses to be copied; its values stand in.
    """
    shared: dict[int, Any] = {id(p): p for p in model.parameters() if not p.requires_grad}
    # By type, since isinstance asks an object for its class, and one of torch's answers with a warning.
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
    model: nn.Module,
    score: Callable[[Batch], Tensor],
    batch: Batch,
    device: torch.device,
) -> tuple[Held, frozenset[str]]:
    """Bytes by kind at the peak of scoring the batch that needs the most memory, and the attention kernels that ran."""
    batch = batch.to(device)
    tracker = tracker_of(model, device.type)
    hold_batch(tracker, batch)
    attention = AttentionKernels()
    held = inference_peak(score, batch, tracker, attention.watch)
    return held, attention.names
