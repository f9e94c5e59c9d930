"""The rows of a plan: each shape of a study built on the meta device, counted, and run on fake tensors."""

import gc
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import nn
from transformers import PretrainedConfig

from bench.data import texts
from bench.errors import PluginError, RequestError, StudyError, UnsupportedError
from bench.measure import parameters
from bench.measure.flops import agreement, dispatched, traced
from bench.measure.hidden_gpus import gpus_hidden
from bench.measure.resolved_device import ResolvedDevice, built_for_accelerator, resolve_device
from bench.method import Method, Task, registry, usable_positions
from bench.method.architecture import Architecture
from bench.model.load import build, config_to_plan
from bench.model.quantization import settle
from bench.model.weights import skeleton
from bench.plan.depth import DEPTHS_OF_PEAKS, DEPTHS_OF_SUMS, Costs, extrapolated
from bench.plan.memory import ASSUMED_CAPABILITY, predict
from bench.plan.quiet import silence_libraries
from bench.plan.row import Ledger, PlanRow
from bench.study.cell import Cell
from bench.study.grid import expand, filtered, misfit, needed_plugins
from bench.study.models import ModelSource
from bench.study.study import Study
from bench.train.loop import DTYPES
from bench.train.memory import TRAINING_PARTS

#: What a row holds of its shape alone; the rest is names.
Facts = dict[str, Any]
PARAMETERS = ("trainable_params", "total_params", "logical_params")
COUNTED = ("forward_flops", "train_flops", "forward_flops_traced", "artifact_bytes")
LEDGER = tuple(Ledger.model_fields)
PEAKS = (*TRAINING_PARTS, "inference")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What the user asked for.

    Attributes:
        study: the study.
        base: folder that relative paths of the study start from.
        data_root: see ``resolve_dataset``; only datasets whose labels nobody names are read.
        plugin_files: files named with ``--plugin``.
        only: see ``parse_only``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, whose memory is predicted; absent: the study's.
        settled: what that is here; None: it is worked out.
        with_memory: whether peaks are predicted, which takes most of the time.
        scale: in place of that of every model.
    """

    study: Study
    base: Path
    data_root: Path | None = None
    plugin_files: Sequence[Path] = ()
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    device: str | None = None
    settled: ResolvedDevice | None = None
    with_memory: bool = True
    scale: Literal["tiny"] | None = None


class Plan:
    """A study's cells, worked out one shape after another.

    Attributes:
        cells: one for each row; cells that differ in their seed alone are one.
        settled: whose memory is predicted, and at which precision.
    """

    def __init__(self, request: PlanRequest) -> None:
        """Expand the study.

        Raises:
            RequestError: the request is wrong; the message says how.
        """
        silence_libraries()
        self.request = request
        self.settled = request.settled or resolve_device(request.device or request.study.device)
        found = registry.find(request.plugin_files)
        needed = needed_plugins(request.study, found)
        self._unseen, self._says = _described(needed)
        for name, plugin in needed.items():
            if plugin.origin == "--plugin" and "error" in self._says[name]:
                raise PluginError(self._says[name]["error"])
        cells = expand(request.study, found, self._says, request.data_root, request.base, True, request.scale)
        if not cells:
            raise StudyError(f"study {request.study.name} has no cells: no method fits its models")
        rows = {cell.row_id: cell for cell in reversed(filtered(cells, request.only))}
        self.cells = list(reversed(rows.values()))
        self._facts: dict[str, Facts] = {}
        self._worked_out: list[tuple[PlanRow, Cell]] = []
        self._parameters: dict[str, Costs] = {}

    def left_out(self) -> list[str]:
        """Methods that ``*`` of the study's grids stands for but that do not fit, or do not import; a sentence each."""
        there = {cell.method.plugin for cell in self.cells}
        models = {cell.model.name: cell.model for cell in self.cells}.values()
        sentences = []
        for name, says in self._says.items():
            if "error" in says:
                sentences.append(f"left out: {says['error']}")
            elif name not in there:
                sentences += [f"left out: {why}" for model in models if (why := misfit(name, says["kinds"], model))]
        return sentences

    def rows(self, on_row: Callable[[int, int], None] | None = None) -> list[PlanRow]:
        """Every row, in the study's order; shapes are worked out side by side on this machine's cores.

        Args:
            on_row: told now and then how many shapes are done, of how many.

        Raises:
            RequestError: options or a model's config are wrong.
        """
        with self._unseen():
            self._work_out_missing(on_row)
        self._worked_out = [(self.row(cell), cell) for cell in self.cells]
        return [row for row, _ in self._worked_out]

    def _work_out_missing(self, on_row: Callable[[int, int], None] | None) -> None:
        shapes = [self._shape(cell) for cell in self.cells]
        groups: dict[str, dict[str, Cell]] = {}
        for shape in shapes:
            if shape.key() not in self._facts:
                groups.setdefault(shape.key(length_matters=False), {})[shape.key()] = shape.cell
        # The longest first, so that no core waits long for another at the end.
        layers = {shape.key(length_matters=False): shape.config.num_hidden_layers for shape in shapes}
        in_order = sorted(groups, key=lambda key: len(groups[key]) * layers[key], reverse=True)
        jobs = [list(groups[key].values()) for key in in_order]
        total = sum(map(len, jobs))
        done = 0
        # Forked, since what has been imported takes longer to import than most jobs take.
        workers = min(len(jobs), len(os.sched_getaffinity(0)))
        if torch.cuda.is_initialized():  # by a plugin: what is forked now cannot use CUDA, as that plugin would
            workers = 1
        if workers > 1:
            context = multiprocessing.get_context("fork")
            gc.freeze()  # what libraries hold stays: no collection need look at it here, in the forks, or at the end
            try:
                with ProcessPoolExecutor(workers, context, initializer=_one_of_several) as pool:
                    for found in pool.map(self._work_out_all, jobs):
                        self._facts |= found
                        done += len(found)
                        if on_row is not None:
                            on_row(done, total)
            except BrokenProcessPool:
                raise StudyError(
                    "a process that worked out rows ended before it was done: killed for memory, or by a method's own "
                    "code; find the row with --only method=NAME"
                ) from None

    def _work_out_all(self, cells: Sequence[Cell]) -> dict[str, Facts]:
        shapes = [self._shape(cell) for cell in cells]
        found = {shape.key(): self._work_out(shape) for shape in shapes}
        gc.collect()
        return found

    def row(self, cell: Cell) -> PlanRow:
        """One row.

        Raises:
            RequestError: its options or its model's config are wrong.
        """
        with self._unseen():
            shape = self._shape(cell)
            key = shape.key()
            if key not in self._facts:
                self._facts[key] = self._work_out(shape)
        return PlanRow.model_validate(shape.names() | self._facts[key])

    def flops_at(self, row: PlanRow, tokens: int) -> int | None:
        """Forward FLOPs of a row's model on one sequence of another length; None where there is no closed form.

        Args:
            row: one that ``rows`` gave.
            tokens: of the sequence.
        """
        cell = next(cell for known, cell in self._worked_out if known == row)
        with self._unseen():
            return self._shape(cell).closed_form(tokens)[0]

    def _shape(self, cell: Cell) -> "_Shape":
        return _Shape(cell, self.request.with_memory, self.settled)

    def at_batch(self, cell: Cell, batch_size: int) -> PlanRow:
        """One row with other batches, for training and inference alike."""
        sizes = {"batch_size": batch_size, "inference_batch_size": min(batch_size, cell.train.inference_batch_size)}
        return self.row(cell.model_copy(update={"train": cell.train.model_copy(update=sizes)}))

    def _work_out(self, shape: "_Shape") -> Facts:
        why = misfit(shape.cell.method.name, self._says[shape.cell.method.plugin]["kinds"], shape.cell.model)
        if why is not None:
            return {"unsupported": why}
        try:
            with redirect_stdout(sys.stderr):  # what a plugin prints is no part of a csv
                return self._supported(shape)
        except RequestError:
            raise
        except UnsupportedError as error:
            return {"unsupported": str(error)}
        except (Exception, SystemExit) as error:  # a plugin may raise anything; its row says so and the others go on
            return {"unsupported": f"{type(error).__name__}: {str(error)[:400]}"}

    def _supported(self, shape: "_Shape") -> Facts:
        counted = _from_shallow(shape, shape.counts, DEPTHS_OF_SUMS)
        # Where shallow models miss the parameters of the whole, the method does not treat all layers alike.
        alike = counted is not None and counted[: len(PARAMETERS)] == self._parameters_of(shape)
        if counted is None or not alike:
            counted = shape.counts(shape.config)
        facts = dict(zip((*PARAMETERS, *COUNTED), counted, strict=True))
        if self.request.with_memory and shape.cell.model.bits != 8:
            peaks = _from_shallow(shape, shape.peaks, DEPTHS_OF_PEAKS) if alike else None
            facts |= _ledgers(peaks or shape.peaks(shape.config))
        return facts | shape.remarks(facts) | {"download_bytes": _download_bytes(shape.cell.model, len(shape.labels))}

    def _parameters_of(self, shape: "_Shape") -> Costs:
        """The parameters of the whole depth; the sequence length has no part in them."""
        key = shape.key(length_matters=False)
        if key not in self._parameters:
            self._parameters[key] = shape.parameters(shape.config)
        return self._parameters[key]


def _described(
    plugins: Mapping[str, registry.Plugin],
) -> tuple[Callable[[], AbstractContextManager[None]], dict[str, dict[str, Any]]]:
    """What each plugin says of itself, and how plugins are imported: with GPUs hidden, if all of them can be.

    A plugin whose import starts CUDA, itself or by a library, would leave a process of which none can be forked.
    """
    with gpus_hidden():
        says = {name: registry.describe(plugin) for name, plugin in plugins.items()}
    failed = [name for name, said in says.items() if "error" in said] if built_for_accelerator() else []
    again = {name: registry.describe(plugins[name]) for name in failed}
    needs_gpu = any("error" not in said for said in again.values())
    return nullcontext if needs_gpu else gpus_hidden, says | again


def _one_of_several() -> None:
    """Start a process that works beside others: on one core, and collecting between jobs alone."""
    torch.set_num_threads(1)
    gc.disable()


def _from_shallow(shape: "_Shape", costs: Callable[[PretrainedConfig], Costs], depths: Sequence[int]) -> Costs | None:
    try:
        return extrapolated(shape.config, costs, depths)
    except UnsupportedError:  # a layer that the method names is not there
        return None


def _ledgers(values: Costs) -> Facts:
    """The highest of a step's peaks and that of inference, from what ``_Shape.peaks`` gives."""
    left = iter(values)
    peaks = {part: {kind: next(left) for kind in LEDGER} for part in PEAKS}
    training = [ledger for part in TRAINING_PARTS if None not in (ledger := peaks[part]).values()]
    highest = max(training, key=lambda ledger: sum(cast(dict[str, int], ledger).values()), default=None)
    return {"train_memory": highest, "inference_memory": peaks["inference"]}


class _Shape:
    """What the numbers of a row depend on, and how they are worked out."""

    def __init__(self, cell: Cell, with_memory: bool, settled: ResolvedDevice) -> None:
        self.cell = cell
        self.with_memory = with_memory
        self.settled = settled
        self.device = settled.device
        self.precision = settled.precision(cell.train.precision)
        self.dtype = DTYPES[self.precision]
        self.labels = cell.dataset.labels or _read_labels(cell)
        self.config = _config(cell.model, len(self.labels))
        method_class = registry.load(cell.method.plugin, Path(cell.method.path))
        self.method: Method = method_class(registry.options(cell.method.name, method_class, cell.method.given))
        self.task = self._task(cell.data.max_length)

    def key(self, length_matters: bool = True) -> str:
        """Equal for cells whose numbers are equal."""
        cell = self.cell
        facts: Facts = {
            "model": cell.model.fingerprint,
            "bits": cell.model.bits,
            "kind": cell.model.kind,
            "names": [cell.model.name, cell.method.name],  # which a reason why something is unsupported may hold
            "labels": len(self.labels) if cell.model.kind == "encoder" else None,
            "method": [cell.method.sha256, cell.method.given],
        }
        if length_matters:
            facts |= {
                "data": cell.data.max_length,
                "train": cell.train.model_dump(),
                "on": [self.device, self.precision],
            }
        return json.dumps(facts, sort_keys=True)

    def names(self) -> Facts:
        """The columns that need no work."""
        cell = self.cell
        return {
            "dataset": cell.dataset.name,
            "model": cell.model.name,
            "method": cell.method.name,
            "dataset_label": cell.dataset.label,
            "model_label": cell.model.label,
            "method_label": cell.method.label,
            "trains": self.method.trains,
            "num_labels": len(self.labels),
            "sequence_length": cell.data.max_length,
            "batch_size": cell.train.batch_size,
            "inference_batch_size": cell.train.inference_batch_size,
            "device": self.device,
            "precision": self.precision,
        }

    def _check_positions(self, model: nn.Module) -> None:
        positions = usable_positions(model)
        if positions is not None and self.cell.data.max_length > positions:
            raise UnsupportedError(
                f"data.max_length must be at most {positions}, the positions of model {self.cell.model.name}, got "
                f"{self.cell.data.max_length}"
            )

    def adapted(self, config: PretrainedConfig) -> nn.Module:
        """The model that the method makes, on the meta device.

        Raises:
            UnsupportedError: it cannot; or a sequence of max_length tokens is longer than the model has positions.
        """
        model = skeleton(self.cell.model, config, self.dtype)
        self._check_positions(model)
        try:
            with torch.device("meta"):
                adapted = self.method.adapt(model, self.task)
                if not isinstance(adapted, nn.Module):
                    said = f"method {self.cell.method.name}: adapt must return the model to train, got {adapted!r:.60}"
                    raise UnsupportedError(said)
                adapted = adapted.to("meta")
                if self.cell.model.kind == "causal":
                    settle(adapted, torch.device("meta"))
                return adapted
        except RuntimeError as error:
            if self.cell.model.bits is None or "can require gradients" not in str(error):
                raise
            held = f"weights of model {self.cell.model.name} that are held in {self.cell.model.bits} bits"
            raise UnsupportedError(f"method {self.cell.method.name} would train {held}") from None

    def parameters(self, config: PretrainedConfig) -> Costs:
        """The values of PARAMETERS."""
        counts = parameters.count(self.adapted(config))
        return tuple(getattr(counts, name) for name in PARAMETERS)

    def counts(self, config: PretrainedConfig) -> Costs:
        """The values of PARAMETERS and COUNTED."""
        model = self.adapted(config)
        kind, length = self.cell.model.kind, self.cell.data.max_length
        if self.method.trains:
            forward, train_flops = dispatched.count_passes(model, length, kind)
        else:
            forward, train_flops = dispatched.count_forward(model, length, kind).forward_flops, None
        trained = [p for p in model.parameters() if p.requires_grad] if self.method.trains else []
        counts = parameters.count(model)
        return (
            *(getattr(counts, name) for name in PARAMETERS),
            forward,
            train_flops,
            traced.count_forward(model, length, kind),
            self.method.artifact_elements(model) * torch.float32.itemsize if trained else 0,
        )

    def peaks(self, config: PretrainedConfig) -> Costs:
        """The ledger of each of PEAKS, None where nothing is trained."""
        peaks = predict(
            self.adapted(config), self.method, self.cell, self.device, self.dtype,
            self.settled.capability or ASSUMED_CAPABILITY,
        )  # fmt: skip
        return tuple(getattr(peaks.get(part), kind, None) for part in PEAKS for kind in LEDGER)

    def closed_form(self, tokens: int) -> tuple[int | None, int | None, int | None]:
        """Forward FLOPs of the adapted model, of its experts and of the plain model; None without a closed form."""
        try:
            architecture = Architecture.from_config(self.config, self.cell.model.kind)
        except UnsupportedError:
            return None, None, None
        task = self._task(tokens)
        adapted, experts = (
            ask(architecture, task) for ask in (self.method.closed_form_flops, self.method.expert_flops)
        )
        return adapted, experts, architecture.forward_flops(tokens)

    def remarks(self, facts: Facts) -> Facts:
        """What the closed form says, whether the three counts agree, and why fields are null."""
        closed, experts, plain = self.closed_form(self.cell.data.max_length)
        counted = (facts["forward_flops"], facts["forward_flops_traced"], closed)
        found = agreement.disagreement(*counted, without_method=plain)
        unknown: dict[str, str] = {}
        if closed is None:
            why = f"architecture {self.config.model_type} has no closed form here"
            unknown |= dict.fromkeys(("forward_flops_closed_form", "expert_flops"), why)
        if not self.method.trains:
            unknown |= dict.fromkeys(("train_flops", "train_memory"), "nothing is trained")
        if not self.with_memory:
            unknown |= dict.fromkeys(("train_memory", "inference_memory"), "memory was not asked for")
        elif self.cell.model.bits == 8:
            unknown |= dict.fromkeys(("train_memory", "inference_memory"), "8-bit operators do not run without values")
        return {
            "forward_flops_closed_form": closed,
            "expert_flops": experts,
            "remarks": () if found is None else (found,),
            "unknown": unknown,
        }

    def _task(self, tokens: int) -> Task:
        return Task(labels=self.labels, max_length=tokens, kind=self.cell.model.kind)


_labels_read: dict[str, tuple[str, ...]] = {}


def _read_labels(cell: Cell) -> tuple[str, ...]:
    """Class names of a dataset that only its texts tell."""
    key = f"{cell.dataset}{cell.data}"
    if key not in _labels_read:
        _labels_read[key] = texts.load(cell.dataset, cell.data).labels
    return _labels_read[key]


def _config(model: ModelSource, num_labels: int) -> PretrainedConfig:
    return _config_of(model.model_dump_json(), num_labels)  # as text, since what a source holds cannot all be hashed


@cache
def _config_of(source_json: str, num_labels: int) -> PretrainedConfig:
    return config_to_plan(ModelSource.model_validate_json(source_json), num_labels)


def _download_bytes(source: ModelSource, num_labels: int) -> int:
    """What the hub holds of the architecture, a classification head left out, in its own precision."""
    if source.hub_id is None or source.weights == "random":
        return 0
    return _download_bytes_of(source.model_dump_json(), num_labels)


@cache
def _download_bytes_of(source_json: str, num_labels: int) -> int:
    source = ModelSource.model_validate_json(source_json)
    config = _config(source, num_labels)
    with torch.device("meta"):
        model = build(config, source.kind)
    body = model if source.kind == "causal" else getattr(model, str(model.base_model_prefix))
    return (
        parameters.count(body).total_params
        * (config.dtype if isinstance(config.dtype, torch.dtype) else torch.float32).itemsize
    )
