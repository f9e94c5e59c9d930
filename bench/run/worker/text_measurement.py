"""Measure one cell of a method without a model, phase by phase."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from bench.clocks import monotonic_seconds
from bench.errors import PluginError
from bench.measure.clock import held_garbage_collection
from bench.measure.stationarity import drift
from bench.method import TextMethod, Texts, registry
from bench.method.class_scores import checked_scores
from bench.record.record import NO_MODEL, Check, Parameters, Training
from bench.run.worker import checks as validity
from bench.run.worker import fit_texts, raw_outputs
from bench.run.worker.fit_texts import FitTexts, texts_of
from bench.run.worker.text_speed import text_speed
from bench.run.worker.work import Work
from bench.train.evaluate import quality

WARMUP_BATCHES = 2
#: Shortest pass whose steps are checked: those of the majority class take microseconds, as an interrupt does.
LEAST_SECONDS = 0.1
#: Texts whose scores, asked for one by one, are compared with those of the batches.
COMPARED_TEXTS = 32
#: Fields of the record that need a model.
OF_A_MODEL = (
    "precision", "flops", "latency", "memory", "matmul_flops_per_second", "training.final_loss",
    "training.speed.tokens_per_second", "training.speed.mfu_fraction", "inference.tokens_per_second",
    "inference.mfu_fraction",
)  # fmt: skip


@dataclass(slots=True)
class _TextLog:
    """Seconds, texts and characters of each batch of a pass."""

    seconds: list[float] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    characters: list[int] = field(default_factory=list)


def measure_texts(work: Work) -> None:
    """Run every phase of a cell without a model.

    Raises:
        Exception: any exception of a plugin or a library; ``work`` keeps the known facts.
    """
    work.unknown |= dict.fromkeys(OF_A_MODEL, NO_MODEL)
    work.facts["cpu_kernels"] = ()
    with work.phases.timed("load"):
        method_class = registry.load_planned_texts(work.cell.method)
        inputs = fit_texts.load(work)
        work.memory.start()
    source = work.cell.method
    method = method_class(registry.options(source.name, method_class, source.options))
    _fit(work, method, inputs)
    with work.phases.timed("save"):
        _save(work, method)
    with work.phases.timed("evaluate"):
        _validate(work, method, inputs)
        alone = _one_by_one(work, method, inputs)
    scores = _infer(work, method, inputs)
    work.checks.append(_agreement(scores, alone))
    name = work.cell.data.evaluate_split
    labels = inputs.labels_of(name)
    work.facts["quality"] = quality(scores.argmax(axis=1), labels, inputs.dataset.labels, name)
    raw_outputs.write_predictions(work.paths, inputs.dataset.splits[name], labels, scores, None)


def _fit(work: Work, method: TextMethod, inputs: FitTexts) -> None:
    count = len(inputs.train.texts)
    with work.phases.timed("train"):
        started = monotonic_seconds()
        method.fit(inputs.train, inputs.validation, inputs.dataset.labels)
        seconds = monotonic_seconds() - started
    energy = work.phases.named("train")[-1].energy_joules
    found = text_speed([seconds], [count], [_characters(inputs.train.texts)], count, energy)
    work.facts["training"] = Training(
        steps=1, samples=count, final_loss=None, speed=found, train_seconds=seconds, planned_steps=1, kept_step=1
    )
    _energy_reason(work, "training.speed", energy)
    _record_method(work, method)


def _energy_reason(work: Work, speed: str, energy: float | None) -> None:
    if energy is None:
        work.unknown[f"{speed}.energy_joules_per_sample"] = work.phases.energy.why_not or "the counter failed"


def _record_method(work: Work, method: TextMethod) -> None:
    """Set what the fitted method says of itself."""
    count = method.num_parameters()
    if count is None:
        work.unknown["parameters"] = "the method does not count its coefficients"
    elif type(count) is not int or count < 0:
        raise PluginError(
            f"method {work.cell.method.name}: num_parameters must return None or an integer of at least 0, got "
            f"{count!r:.60}"
        )
    else:
        trained = count if method.trains else 0
        work.facts["parameters"] = Parameters(trainable_params=trained, total_params=count, logical_params=count)
    work.facts["warnings"] = (*work.facts.get("warnings", ()), *map(str, method.remarks()))


def _save(work: Work, method: TextMethod) -> None:
    folder = work.paths.artifact
    folder.mkdir(exist_ok=True)
    method.save(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    work.facts["artifact_bytes"] = sum(path.stat().st_size for path in files)
    if not work.cell.train.keep_artifact:
        for path in files:
            path.unlink()


def _validate(work: Work, method: TextMethod, inputs: FitTexts) -> None:
    if work.cell.data.evaluate_split == "validation":
        work.unknown["validation_macro_f1"] = "the validation split is the evaluated one"
        return
    scores = _scores(work, method, inputs, inputs.validation.texts)
    labels, truth = inputs.dataset.labels, inputs.validation.labels
    work.facts["validation_macro_f1"] = quality(scores.argmax(axis=1), truth, labels, "validation").macro_f1


def _scores(work: Work, method: TextMethod, inputs: FitTexts, texts: Texts) -> NDArray[np.float32]:
    return checked_scores(method.predict(texts), len(texts), len(inputs.dataset.labels), work.cell.method.name)


def _one_by_one(work: Work, method: TextMethod, inputs: FitTexts) -> NDArray[np.float32]:
    """Scores of the first evaluated texts, each predicted alone."""
    texts = texts_of(inputs.dataset.splits[work.cell.data.evaluate_split])
    count = min(COMPARED_TEXTS, len(texts))
    return np.concatenate([_scores(work, method, inputs, texts.part(at, at + 1)) for at in range(count)])


def _agreement(scores: NDArray[np.float32], alone: NDArray[np.float32]) -> Check:
    batched = torch.from_numpy(scores[: len(alone)].copy())
    return validity.agree("batching", torch.from_numpy(alone), batched, validity.AGREEMENT[torch.float32])


def _infer(work: Work, method: TextMethod, inputs: FitTexts) -> NDArray[np.float32]:
    """Scores of the evaluated split, timed batch by batch."""
    texts, size = texts_of(inputs.dataset.splits[work.cell.data.evaluate_split]), work.cell.train.inference_batch_size
    batches = [texts.part(start, start + size) for start in range(0, len(texts), size)]
    log, found = _TextLog(), []
    with work.phases.timed("inference"), held_garbage_collection():
        for batch in batches[:WARMUP_BATCHES]:
            _scores(work, method, inputs, batch)
        for done, batch in enumerate(batches, start=1):
            started = monotonic_seconds()
            scores = method.predict(batch)
            log.seconds.append(monotonic_seconds() - started)
            found.append(checked_scores(scores, len(batch), len(inputs.dataset.labels), work.cell.method.name))
            log.samples.append(len(batch))
            log.characters.append(_characters(batch))
            work.phases.tell(done, len(batches))
    energy = work.phases.named("inference")[-1].energy_joules
    work.facts["inference"] = text_speed(log.seconds, log.samples, log.characters, size, energy)
    _energy_reason(work, "inference", energy)
    if sum(log.seconds) < LEAST_SECONDS:
        work.checks += validity.steady("inference", None, f"the pass took less than {LEAST_SECONDS:g} s")
    else:
        work.checks += validity.steady("inference", drift(log.seconds, log.samples, log.characters))
    return np.concatenate(found)


def _characters(texts: Texts) -> int:
    """Number of characters, at least 1, because empty texts take time too."""
    return max(1, sum(map(len, texts.first)) + sum(map(len, texts.second or ())))
