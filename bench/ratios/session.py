"""The windows of one prepared method, in its own process: first those of training, then those of inference."""

import hashlib
from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from bench.data.batches import Batch
from bench.measure.clock import StepClock, held_garbage_collection
from bench.ratios.picks import picks
from bench.ratios.window import Measured, Order
from bench.run.worker.prepare import Subject
from bench.run.worker.work import Work
from bench.train.evaluate import for_inference, timed_scores
from bench.train.loop import StepLog, TrainStep, autocast, num_steps, schedule

#: Steps of the schedule. Its warm-up never ends here, so the learning rate stays near 0 and the weights, and with them
#: the work of a step (routing, denormal numbers), stay as they are at the start of a training.
ENDLESS_STEPS, WARMUP_FRACTION = 10**12, 0.5


class Session:
    """Runs the windows that the parent orders."""

    def __init__(self, work: Work, subject: Subject) -> None:
        """Take over a prepared method.

        Args:
            work: the cell in work.
            subject: its adapted model and its inputs.
        """
        self._work, self._subject = work, subject
        self._task: _Training | _Inference | None = None

    @property
    def trains(self) -> bool:
        """Whether the method trains."""
        return self._subject.method.trains

    def run(self, order: Order) -> Measured:
        """Run a window.

        Raises:
            ValueError: training is ordered after inference, for which the model was changed.
        """
        task = self._task_of(order)
        batches, log = task.run(picks(task.sizes, order.window, order.steps))
        return Measured(
            step_seconds=tuple(log.seconds), samples=sum(log.samples), tokens=sum(log.tokens),
            padded_tokens=sum(log.padded_tokens), batches=_hash(batches),
        )  # fmt: skip

    def _task_of(self, order: Order) -> "_Training | _Inference":
        kind = _Training if order.task == "training" else _Inference
        if self._task is None or not isinstance(self._task, kind):
            if isinstance(self._task, _Inference):
                raise ValueError("the windows of training must come before those of inference")
            self._task = None  # the optimizer's state is freed before inference
            self._task = kind(self._work, self._subject)
        return self._task


class _Training:
    """Training steps on the batches of the first epoch, as the cell takes them."""

    def __init__(self, work: Work, subject: Subject) -> None:
        cell, inputs = work.cell, subject.inputs
        self._device, self._inputs = work.device, inputs
        self._labels = inputs.dataset.splits["train"].labels
        one_epoch = cell.train.model_copy(update={"epochs": 1})
        lengths = inputs.tokens["train"].lengths
        planned = schedule(lengths, one_epoch, cell.seed)
        self._rows = list(islice(planned, num_steps(len(self._labels), one_epoch)))
        self.sizes = [len(rows) * int(lengths[rows].max()) for rows in self._rows]
        settings = cell.train.model_copy(update={"schedule": "constant", "warmup_fraction": WARMUP_FRACTION})
        self._take_step = TrainStep(
            subject.model, subject.method, ENDLESS_STEPS, settings,
            autocast(work.device, work.dtype, settings.weights_storage), cell.model.kind, subject.class_weights,
        )  # fmt: skip
        subject.model.train()

    def run(self, indices: Sequence[int]) -> tuple[list[Batch], StepLog]:
        batches, log = [], StepLog()
        with held_garbage_collection():
            clock = StepClock(self._device)
            for index in indices:
                batch = self._batch(index)
                self._take_step(batch.to(self._device))
                log.count(batch)
                clock.mark()
                batches.append(batch)
            log.seconds = clock.seconds()
        return batches, log

    def _batch(self, index: int) -> Batch:
        inputs = self._inputs
        return inputs.training_batch(inputs.tokens["train"], self._labels, self._rows[index], inputs.pad_id)


class _Inference:
    """Predictions of the evaluated split."""

    def __init__(self, work: Work, subject: Subject) -> None:
        self._device = work.device
        inputs = subject.inputs
        self._model = for_inference(
            subject.method.prepare_inference(subject.model), work.dtype, work.device, packed=work.has_fast_kernels
        )
        self._batches = inputs.batches(work.cell.data.evaluate_split)
        self._score: Callable[[Batch], Tensor] = inputs.scorer(self._model)
        self.sizes = [batch.padded_tokens for batch in self._batches]

    def run(self, indices: Sequence[int]) -> tuple[list[Batch], StepLog]:
        batches = [self._batches[index] for index in indices]
        # The weights already have the dtype of inference, so autocast is not needed.
        _, log = timed_scores(self._model, batches, self._device, torch.float32, _ignore, score=self._score)
        return batches, log


def _ignore(done: int, of: int) -> None:
    """Report no progress, which would take time inside a window."""


def _hash(batches: Sequence[Batch]) -> str:
    """A hash of the texts and the padded length of each batch."""
    digest = hashlib.sha256()
    for batch in batches:
        digest.update(np.asarray([batch.padded_tokens, *batch.indices], dtype=np.int64).tobytes())
    return digest.hexdigest()[:16]
