"""The training of a cell: timed training, memory pass, validation, early stopping, and choice of weights."""

import traceback
from functools import partial

from bench.measure.warmup import WarmUp
from bench.record.record import Training, ValidationPoint
from bench.run.worker import checks as validity
from bench.run.worker import lost_time
from bench.run.worker.early_stopping import EarlyStopping, best_step
from bench.run.worker.memory_pass import train_again
from bench.run.worker.prepare import Subject
from bench.run.worker.speed import total_flops
from bench.run.worker.validation import Snapshots, macro_f1_as_it_is, validate, validation_steps
from bench.run.worker.work import Work
from bench.train.loop import epoch_batches, num_steps, train


def train_and_validate(work: Work, subject: Subject) -> None:
    """Run the phases warm-up, train, calibrate, memory and validate; the model then has the weights to keep.

    Raises:
        Exception: any exception of a plugin or a library.
    """
    points = _points(work, subject)
    with _snapshots(work, subject, points) as snapshots:
        stopping = _stopping(work, subject, points, snapshots)
        _train(work, subject, snapshots, stopping)
        if not work.cell.searching:
            work.read_matmul_after("train")
            with work.phases.timed("memory"):
                work.memory.read_context()
                _train_again(work, subject)
        if points:
            with work.phases.timed("validate"):
                _validate(work, subject, snapshots, stopping)


def _points(work: Work, subject: Subject) -> list[int]:
    """Number of steps at each validation point; empty if none is requested or the weights are random."""
    settings = work.cell.train
    if not settings.validation_points or work.random_weights("training.validation"):
        if settings.validation_points:
            work.random_weights("training.best_step")
        return []
    total = num_steps(len(subject.inputs.dataset.splits["train"]), settings)
    return validation_steps(total, settings.validation_points)


def _snapshots(work: Work, subject: Subject, points: list[int]) -> Snapshots:
    settings = work.cell.train
    if not points or (_may_stop(work) and settings.keep == "last"):
        return Snapshots(subject.model, [], work.paths.path)
    with work.phases.timed("validate"):
        return Snapshots(subject.model, points, work.paths.path)


def _stopping(work: Work, subject: Subject, points: list[int], snapshots: Snapshots) -> EarlyStopping | None:
    settings = work.cell.train
    if not points or not _may_stop(work):
        return None

    def keep(step: int) -> None:
        if snapshots.wanted(step):
            snapshots.keep(step)

    model, inputs, tell = subject.model, subject.inputs, work.phases.tell
    found = partial(macro_f1_as_it_is, model, inputs, work.device, work.dtype, tell)
    return EarlyStopping(
        points, settings.early_stopping_patience or len(points) + 1, found, partial(work.phases.aside, "validate"),
        keep if settings.keep == "best" else None,
        {step: least for step, least in zip(points, work.cell.prune_below, strict=False) if least is not None},
    )  # fmt: skip


def _may_stop(work: Work) -> bool:
    return work.cell.train.early_stopping_patience is not None or bool(work.cell.prune_below)


def _train(work: Work, subject: Subject, snapshots: Snapshots, stopping: EarlyStopping | None) -> None:
    inputs = subject.inputs
    tokens, labels = inputs.tokens["train"], inputs.dataset.splits["train"].labels
    settings = work.cell.train
    total = num_steps(len(labels), settings)

    def train_begins() -> None:
        work.phases.finish()
        work.phases.start("train", release=False)  # inside the loop, freed memory is needed again at once

    def keep(step: int) -> bool:
        if not snapshots.wanted(step):
            return False
        with work.phases.aside("validate"):
            snapshots.keep(step)
        return True

    warmup = WarmUp(settings.timing_warmup_steps, total, train_begins)
    batches = epoch_batches(tokens, labels, settings, inputs.pad_id, work.cell.seed, inputs.training_batch)
    work.phases.start("warm-up" if settings.timing_warmup_steps else "train")
    kind, tell = work.cell.model.kind, work.phases.tell
    log = train(
        subject.model, subject.method, batches, total, settings, work.device, work.dtype, tell, kind, warmup,
        stopping or keep, subject.class_weights, lambda: stopping is not None and stopping.ended,
    )  # fmt: skip
    work.phases.finish()
    work.logs["train"] = log
    steps = len(log.seconds)
    tail = log.losses[-max(1, steps // 10) :]
    flops = subject.counted.training
    found = work.speed("training.speed", log, settings.batch_size, "train", flops, warmup.steps)
    if found is None:
        work.unknown["training.speed"] = f"all {steps} steps were warm-up"
    work.facts["training"] = Training(
        steps=steps, samples=sum(log.samples), final_loss=sum(tail) / len(tail), speed=found,
        train_seconds=sum(log.seconds), planned_steps=total, kept_step=steps,
        training_flops=None if flops is None else total_flops(log, flops),
        pruned=stopping is not None and stopping.pruned,
    )  # fmt: skip
    work.checks += validity.of_training(log, warmup)
    if timed := work.phases.named("train"):
        work.checks.append(lost_time.steps_add_up("training", sum(log.seconds[warmup.steps :]), timed[-1].seconds))
    work.checks.append(validity.tokens_counted("training", log, inputs.tokens_trained_on(steps)))


def _train_again(work: Work, subject: Subject) -> None:
    cell = work.cell
    try:
        batch = subject.inputs.largest_training_batch(work.facts["training"].steps)
        again = train_again(
            subject.model, subject.method, cell, batch, work.device, work.dtype, subject.class_weights
        )  # fmt: skip
    except Exception as error:  # an extra must not fail the cell, e.g. if a plugin cannot be copied
        traceback.print_exc()
        work.unknown["memory"] = f"training steps could not be repeated: {type(error).__name__}: {error}"
        return
    work.memory.held("train", again.held)
    work.attended_by(again.attention_kernels)
    work.checks.append(validity.deterministic(again.losses, again.gradient_norms))


def _validate(work: Work, subject: Subject, snapshots: Snapshots, stopping: EarlyStopping | None) -> None:
    """Compute the F1 of each point unless it is known, and restore the best weights if they are to be kept."""
    training = work.facts["training"]
    keeps_best = work.cell.train.keep == "best"
    try:
        found = {} if stopping is None else stopping.found
        if stopping is None:
            scores = validate(subject.model, subject.inputs, snapshots, work.device, work.dtype, work.phases.tell)
            found = dict(zip(snapshots.steps, scores, strict=True))
    except Exception as error:  # an extra must not fail the cell, e.g. if weights cannot be restored
        if keeps_best:  # the study requires these weights
            raise
        traceback.print_exc()
        work.unknown["training.validation"] = f"{type(error).__name__}: {error}"
        return
    best = best_step(found)
    if keeps_best and best != training.steps:
        snapshots.load(best)
    seconds = work.logs["train"].seconds
    until = {step: sum(seconds[:step]) for step in found}
    changes = {
        "validation": tuple(
            ValidationPoint(step=step, train_seconds=until[step], macro_f1=f1) for step, f1 in found.items()
        ),
        "best_step": best, "best_seconds": until[best], "kept_step": best if keeps_best else training.steps,
    }  # fmt: skip
    work.facts["training"] = training.model_copy(update=changes)
