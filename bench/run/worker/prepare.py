"""The first phases of a cell: load texts and weights, adapt the model, and count its costs."""

import gc
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from bench.data import duplicates, texts
from bench.data.cautions import cautions
from bench.data.tokens import require_known
from bench.errors import ModelError
from bench.measure import matmul, parameters
from bench.method import Method, Task, fresh_layers, registry
from bench.model.cpu_layers import own_kernels, replace_dropout
from bench.model.load import fetch, load_config, load_tokenizer, pad_with
from bench.model.prompting.prefix_cache import AskedModel
from bench.model.quantization import settle
from bench.model.weight_memory import require_room
from bench.model.weights import load_model, skeleton
from bench.record.data import Data
from bench.run.worker import counting, kept_counts, raw_outputs
from bench.run.worker.work import Work
from bench.train.inputs import Inputs
from bench.train.stored_weights import enable_gradient_checkpointing, store_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The adapted model and its inputs.

    Attributes:
        model: adapted model on the device.
        method: method that adapted it.
        task: task that it was adapted to.
        inputs: texts of the cell.
        counted: counted FLOPs.
        class_weights: class weights of ``TaskLoss``, on the device.
    """

    model: nn.Module
    method: Method
    task: Task
    inputs: Inputs
    counted: counting.Counted
    class_weights: Tensor | None


def prepare(work: Work) -> Subject:
    """Run the phases load, adapt and calibrate."""
    cell = work.cell
    with work.phases.timed("load"):
        method_class = registry.load_planned(cell.method)
        inputs, config, model = _load(work, method_class)
    method = method_class(registry.options(cell.method.name, method_class, cell.method.options))
    task = Task(labels=inputs.dataset.labels, max_length=cell.data.max_length, kind=cell.model.kind)
    fresh = fresh_layers(model)
    with work.phases.timed("adapt"):
        model = _adapt(work, model, method, task, inputs)
    with work.phases.timed("calibrate"):
        counted = kept_counts.counted(
            work.paths.path, cell, task, work.dtype, work.facts["parameters"],
            lambda: _count(work, config, method, task, fresh),
        )  # fmt: skip
        work.facts["flops"] = counted.flops
        if counted.why_no_closed_form is not None:
            work.unknown["flops.closed_form_flops"] = counted.why_no_closed_form
        work.checks.append(counted.check)
        _calibrate(work, method)
    weights = inputs.class_weights if method.trains else None
    weights = None if weights is None else weights.to(work.device)
    return Subject(
        model=model, method=method, task=task, inputs=inputs, counted=counted, class_weights=weights
    )  # fmt: skip


def _calibrate(work: Work, method: Method) -> None:
    """Make the libraries allocate their workspaces, one per thread, and read a large matmul."""
    with work.memory.library_workspace():
        matmul.small(work.device, work.dtype)
    if method.trains:
        with work.memory.library_workspace():
            matmul.small(work.device, work.dtype, backward=True)
    work.read_matmul("calibrate")


def _load(work: Work, method_class: type[Method]) -> tuple[Inputs, PretrainedConfig, nn.Module]:
    cell = work.cell
    dataset = texts.load(cell.dataset, cell.data, cell.seed)
    folder = fetch(cell.model)
    tokenizer = load_tokenizer(cell.model, folder)
    split = cell.data.evaluate_split
    inputs = Inputs.of(cell, dataset, tokenizer, {"train", "validation", split} if method_class.trains else {split})
    inputs.require_tokens()
    config = load_config(cell.model, folder, len(dataset.labels))
    for tokens in inputs.tokens.values():
        require_known(tokens, config.vocab_size, f"model {cell.model.name}")
    require_room(cell.model, config, work.dtype, work.device, cell.limits.cell_memory_bytes)
    work.memory.start()
    model = load_model(cell.model, folder, config, work.dtype, work.device, dataset.labels)
    if cell.model.kind == "encoder":
        pad_with(model, inputs.pad_id)
    work.facts["prompt"] = inputs.prompt_record()
    work.memory.loaded(model)
    _record_data(work, inputs)
    held_out = work.files.enter_context(inputs.without_labels(work.paths.path))
    return replace(inputs, held_out=held_out), config, model


def _record_data(work: Work, inputs: Inputs) -> None:
    """Set the record's facts about the texts."""
    dataset, split = inputs.dataset, work.cell.data.evaluate_split
    evaluated = inputs.tokens[split]
    found = duplicates.find(dataset.splits)
    work.facts["data"] = Data(
        sha256=dataset.sha256, rows={name: len(split) for name, split in dataset.splits.items()},
        synthetic=work.cell.dataset.synthetic, validation_carved=dataset.validation_carved, labels=dataset.labels,
        tokens_per_sample=inputs.tokens_per_sample, truncated_fraction=evaluated.truncated / len(evaluated.lengths),
        texts_in_train=_counted(found.in_train), repeated_texts=_counted(found.repeated),
        conflicting_texts=_counted(found.conflicting), empty_texts=_counted(found.empty),
    )  # fmt: skip
    if not work.cell.dataset.synthetic:  # duplicates of generated texts mean nothing
        work.facts["warnings"] = cautions(dataset, found, split)
    if work.cell.dataset.kind == "file":
        raw_outputs.write_split(work.paths, dataset)


def _counted(places: Mapping[str, list[int]]) -> dict[str, int]:
    return {split: len(found) for split, found in places.items()}


def _adapt(work: Work, model: nn.Module, method: Method, task: Task, inputs: Inputs) -> nn.Module:
    model = method.adapt(model, task)
    work.facts["parameters"] = parameters.count(model)
    work.facts["choices"] = json.loads(json.dumps(method.choices(model), allow_nan=False))
    if work.cell.train.gradient_checkpointing:
        enable_gradient_checkpointing(model)
    if work.cell.model.kind == "causal":  # loaded onto the device, because quantised weights should not be moved
        settle(model, work.device)
    store_weights(model, work.dtype, work.cell.train.weights_storage)
    if work.cell.model.kind == "encoder":
        model = model.to(work.device)
    if inputs.prompt is not None:
        AskedModel(model, inputs.prompt).check_window(task.max_length)  # fail before the training, not after it
    if work.has_fast_kernels:
        replace_dropout(model)
    work.used_cpu_kernels(own_kernels(model, training=True) if method.trains else ())
    if method.trains:
        method.before_training(model, inputs.training_run(model, work.device))
    gc.collect()
    return model


def _count(
    work: Work, config: PretrainedConfig, method: Method, task: Task, fresh: tuple[str, ...]
) -> counting.Counted:
    """Build the adapted model again on the meta device, where counting needs no computation."""
    twin = skeleton(work.cell.model, config, work.dtype, fresh)
    with torch.device("meta"):
        twin = type(method)(method.options).adapt(twin, task)
    twin_counts = parameters.count(twin)
    if twin_counts != work.facts["parameters"]:
        raise ModelError(
            f"method {work.cell.method.name} adapts a model on the meta device differently: {twin_counts} against "
            f"{work.facts['parameters']}; make adapt independent of the values of weights"
        )
    return counting.count(twin.to("meta"), method, config, task)
