"""Measure a trial of a search: train, and evaluate on the validation split; nothing else."""

import numpy as np

from bench.errors import DivergedError
from bench.run.worker.prepare import prepare
from bench.run.worker.training import train_and_validate
from bench.run.worker.work import Work
from bench.train.evaluate import for_inference, quality

#: Fields of the record that a trial does not measure.
NOT_OF_A_TRIAL = ("inference", "latency", "validation_macro_f1", "memory", "artifact_bytes", "generation")


def measure_trial(work: Work) -> None:
    """Run the phases of a trial.

    Raises:
        Exception: any exception of a plugin or a library; ``work`` keeps the known facts.
    """
    work.facts["precision"] = work.precision
    work.unknown |= dict.fromkeys(NOT_OF_A_TRIAL, "a trial of a search")
    subject = prepare(work)
    train_and_validate(work, subject)
    inputs, split = subject.inputs, work.cell.data.evaluate_split
    with work.phases.timed("evaluate"):
        model = for_inference(
            subject.method.prepare_inference(subject.model), work.dtype, work.device, packed=work.has_fast_kernels
        )
        scores, _ = inputs.predict(model, split, work.device, work.phases.tell)
        if not np.isfinite(scores).all():
            raise DivergedError("the model's class scores are not finite numbers")
        if not work.random_weights("quality"):
            labels = inputs.dataset.labels
            work.facts["quality"] = quality(scores.argmax(axis=1), inputs.labels_of(split), labels, split)
