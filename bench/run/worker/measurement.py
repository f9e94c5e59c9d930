"""Measure one cell, phase by phase."""

import json

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bench.errors import DivergedError, RunFolderError
from bench.measure import machine
from bench.method import Method
from bench.model.cpu_layers import own_kernels
from bench.record.files import write_json
from bench.record.record import Generation
from bench.run.worker import checks as validity
from bench.run.worker import lost_time, raw_outputs
from bench.run.worker.agreement import Agreement
from bench.run.worker.artifact import complete, tidy
from bench.run.worker.latency import MOST_BATCHES, time_batches
from bench.run.worker.memory_pass import infer_again
from bench.run.worker.prepare import Subject, prepare
from bench.run.worker.raw_outputs import Answers
from bench.run.worker.text_measurement import measure_texts
from bench.run.worker.training import train_and_validate
from bench.run.worker.trial import measure_trial
from bench.run.worker.validation import macro_f1
from bench.run.worker.work import Work
from bench.text.message import kind_of, print_error, said
from bench.train.evaluate import NO_CLASS, for_inference, quality
from bench.train.inputs import Inputs
from bench.train.seeding import seed_generators

INFERENCE_WARMUP_BATCHES = 2


def measure(work: Work) -> None:
    """Run every phase of a cell.

    Raises:
        Exception: any exception of a plugin or a library; ``work`` keeps the known facts.
    """
    work.facts["machine"] = machine.describe(work.device)
    work.facts["peak_kind"] = "cuda_allocated" if work.on_cuda else "host_vmhwm"
    seed_generators(work.cell.seed)
    if work.cell.model.kind == "none":
        measure_texts(work)
    elif work.cell.searching:
        measure_trial(work)
    else:
        _measure_model(work)


def _measure_model(work: Work) -> None:
    cell, timed = work.cell, work.phases.timed
    work.facts["precision"] = work.precision
    subject = prepare(work)
    method, inputs = subject.method, subject.inputs
    agreement = Agreement(inputs, work.device, work.dtype)
    if method.trains:
        train_and_validate(work, subject)
    else:
        work.unknown["training"] = "nothing is trained"
    with timed("save"):
        _save(work, subject)
    with timed("evaluate"):
        if method.trains:
            agreement.before(subject.model, method)
        model = for_inference(
            method.prepare_inference(subject.model), work.dtype, work.device, packed=work.has_fast_kernels
        )
        work.used_cpu_kernels(own_kernels(model, training=False))
        _evaluate(work, model, inputs)
    with timed("inference"):
        scores = _infer(work, model, inputs)
    work.read_matmul_after("inference")
    _time_inference(work, subject)
    with timed("latency"):
        _latency(work, model, inputs)
    answers = _generate(work, model, inputs)
    name = cell.data.evaluate_split
    raw_outputs.write_predictions(work.paths, inputs.dataset.splits[name], inputs.labels_of(name), scores, answers)
    with timed("memory"):
        if not method.trains:
            work.memory.read_context()
        _infer_again(work, model, inputs)
        work.checks += agreement.checks(model)
    _keep_insights(work, model, subject)


def _save(work: Work, subject: Subject) -> None:
    if not subject.method.trains:
        work.facts["artifact_bytes"] = 0
        return
    folder, base, inputs = work.paths.artifact, work.cell.model, subject.inputs
    folder.mkdir(exist_ok=True)
    subject.method.save(subject.model, folder)
    tidy(folder, base)
    files = [path for path in folder.rglob("*") if path.is_file()]
    work.facts["artifact_bytes"] = sum(path.stat().st_size for path in files)
    if work.cell.train.keep_artifact:
        complete(folder, subject.model, inputs.tokenizer, inputs.dataset.labels, base)
    else:
        for path in files:
            path.unlink()


def _evaluate(work: Work, model: nn.Module, inputs: Inputs) -> None:
    if "validation" not in inputs.tokens or work.cell.data.evaluate_split == "validation":
        work.unknown["validation_macro_f1"] = (
            "nothing is trained" if "validation" not in inputs.tokens else "the validation split is the evaluated one"
        )
        return
    if work.random_weights("validation_macro_f1"):
        return
    work.facts["validation_macro_f1"] = macro_f1(model, inputs, work.device, work.phases.tell)


def _infer(work: Work, model: nn.Module, inputs: Inputs) -> NDArray[np.float32]:
    name = work.cell.data.evaluate_split
    scores, log = inputs.predict(model, name, work.device, work.phases.tell, INFERENCE_WARMUP_BATCHES)
    work.logs["inference"] = log
    if not np.isfinite(scores).all():
        raise DivergedError("the model's class scores are not finite numbers")
    if not work.random_weights("quality"):
        work.facts["quality"] = quality(scores.argmax(axis=1), inputs.labels_of(name), inputs.dataset.labels, name)
    return scores


def _time_inference(work: Work, subject: Subject) -> None:
    """Compute speed and checks from the log of inference, after its phase has ended."""
    log, name = work.logs["inference"], work.cell.data.evaluate_split
    # For a causal model, the log counts neither the cached prefix nor the scored labels.
    flops = subject.counted.forward if work.cell.model.kind == "encoder" else None
    work.facts["inference"] = work.speed("inference", log, work.cell.train.inference_batch_size, "inference", flops)
    work.checks += validity.of_inference(log)
    # Not on a GPU, which loads kernels before the steps, nor with a prompt, whose prefix is computed before them.
    if not work.on_cuda and subject.inputs.prompt is None:
        seconds = sum(log.seconds) + sum(log.seconds[:INFERENCE_WARMUP_BATCHES])
        phase_seconds = work.phases.named("inference")[-1].seconds
        work.checks.append(lost_time.steps_add_up("inference", seconds, phase_seconds))
    work.checks.append(validity.tokens_counted("inference", log, subject.inputs.tokens_predicted(name)))


def _latency(work: Work, model: nn.Module, inputs: Inputs) -> None:
    name, size = work.cell.data.evaluate_split, work.cell.train.inference_batch_size
    score = inputs.scorer(model)
    singles = inputs.single_batches(name, MOST_BATCHES)
    found = [time_batches(score, singles, work.device, 1)]
    # The first batch has the longest texts and is not representative.
    _, *others = inputs.batches(name)
    full = [batch for batch in others if len(batch.indices) == size]
    if full and size > 1:
        found.append(time_batches(score, full, work.device, size))
    elif size > 1:
        work.unknown["latency.batch"] = f"the {name} split has no full batch of {size} beside that of the longest texts"
    work.facts["latency"] = tuple(found)


def _generate(work: Work, model: nn.Module, inputs: Inputs) -> Answers | None:
    """Let a causal model generate its answers, and parse them; None if nothing is generated."""
    prompt, name = inputs.prompt, work.cell.data.evaluate_split
    if prompt is None or not prompt.settings.generate:
        if prompt is not None:
            work.unknown["generation"] = "prompt.generate is false"
        return None
    with work.phases.timed("generate"):
        answers, named, log = inputs.write(model, name, work.device, work.phases.tell)
    work.logs["generation"] = log
    random = work.random_weights("generation.quality", "generation.parse_failure_fraction")
    size = work.cell.train.inference_batch_size
    work.facts["generation"] = Generation(
        quality=None if random else quality(named, inputs.labels_of(name), inputs.dataset.labels, name),
        parse_failure_fraction=None if random else float((named == NO_CLASS).mean()),
        max_new_tokens=prompt.max_new_tokens,
        speed=work.speed("generation.speed", log, size, "generate", None),
    )
    return answers, named


def _infer_again(work: Work, model: nn.Module, inputs: Inputs) -> None:
    try:
        batch = inputs.batches(work.cell.data.evaluate_split)[0]  # of the longest texts
        held, kernels = infer_again(model, inputs.scorer(model), batch, work.device)
        work.memory.held("inference", held)
        work.attended_by(kernels)
    except Exception as error:  # an extra must not fail the cell
        print_error(error)
        work.unknown["memory"] = f"the memory of a batch could not be traced: {kind_of(error)}: {said(error)}"


def _keep_insights(work: Work, model: nn.Module, subject: Subject) -> None:
    """Call a method's ``insights`` hook on evaluated texts, and write its data beside the record."""
    method, inputs = subject.method, subject.inputs
    if type(method).insights is Method.insights or work.random_weights("insights"):
        return
    with work.phases.timed("insights"):
        try:
            with torch.inference_mode():
                shown = method.insights(model, subject.task, inputs.examples(work.device, model))
            content = {"parts": [part.model_dump(mode="json") for part in shown.parts]}
            write_json(work.paths.insights, content)
            work.facts["insights"] = json.loads(json.dumps(shown.facts, allow_nan=False))
            work.facts["warnings"] = (*work.facts.get("warnings", ()), *shown.warnings)
        except RunFolderError:
            raise
        except Exception as error:  # an extra must not fail the cell
            print_error(error)
            work.unknown["insights"] = f"{kind_of(error)}: {said(error)}"
