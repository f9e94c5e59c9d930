"""The shape of a cell, on which the numbers of its row depend, and their computation on the meta device."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig

from bench.errors import UnsupportedError
from bench.measure import parameters
from bench.measure.flops import agreement, dispatched, traced
from bench.measure.flops.closed_form import ClosedForm, closed_form
from bench.measure.resolved_device import ResolvedDevice
from bench.method import Method, Task, registry, usable_positions
from bench.model.load import build, config_to_plan
from bench.model.quantization import settle
from bench.model.shortages import shortages
from bench.model.weights import skeleton
from bench.plan.depth import DEPTHS_OF_PEAKS, DEPTHS_OF_SUMS, Costs, extrapolated
from bench.plan.labels import labels_of
from bench.plan.memory import ASSUMED_CAPABILITY, as_costs, from_costs, highest_of_training, predict
from bench.plan.parts import Before
from bench.plan.row import ParameterParts
from bench.study.cell import Cell
from bench.study.models import ModelSource
from bench.train.loop import DTYPES

#: Fields of a row that depend only on its shape; the others are names.
Facts = dict[str, Any]
PARAMETERS = ("trainable_params", "total_params", "logical_params")
COUNTED = ("forward_flops", "train_flops", "forward_flops_traced", "artifact_bytes")


class Shape:
    """The settings that determine the numbers of a row, and the computation of these numbers."""

    def __init__(self, cell: Cell, with_memory: bool, resolved: ResolvedDevice, with_trace: bool = True) -> None:
        self.cell, self.with_memory, self.resolved, self.with_trace = cell, with_memory, resolved, with_trace
        self.device = resolved.device
        self.precision = resolved.precision(cell.train.precision)
        self.dtype = DTYPES[self.precision]
        self.labels = labels_of(cell)
        self.config = _config(cell.model, len(self.labels))
        method_class = registry.load(cell.method.plugin, Path(cell.method.path))
        self.method: Method = method_class(registry.options(cell.method.name, method_class, cell.method.given))
        self.task = self._task(cell.data.max_length)

    def key(self, length_matters: bool = True) -> str:
        """A key that is equal for cells with equal numbers."""
        cell = self.cell
        facts: Facts = {
            "model": cell.model.fingerprint, "bits": cell.model.bits, "kind": cell.model.kind,
            "names": [cell.model.name, cell.method.name],  # messages about unsupported cells contain them
            "labels": len(self.labels) if cell.model.kind == "encoder" else None,
            "method": [cell.method.sha256, cell.method.given],
        }  # fmt: skip
        if length_matters:
            facts |= {
                "data": cell.data.max_length, "train": cell.train.model_dump(), "on": [self.device, self.precision],
                "limit": cell.limits.cell_memory_bytes,
            }  # fmt: skip
        return json.dumps(facts, sort_keys=True)

    def names(self) -> Facts:
        """The columns that need no computation."""
        cell = self.cell
        return {
            "dataset": cell.dataset.name, "model": cell.model.name, "method": cell.method.name,
            "dataset_label": cell.dataset.label, "model_label": cell.model.label, "method_label": cell.method.label,
            "trains": self.method.trains, "num_labels": len(self.labels), "sequence_length": cell.data.max_length,
            "batch_size": cell.train.batch_size, "inference_batch_size": cell.train.inference_batch_size,
            "device": self.device, "precision": self.precision,
        }  # fmt: skip

    def _check_positions(self, model: nn.Module) -> None:
        positions = usable_positions(model)
        if positions is not None and self.cell.data.max_length > positions:
            raise UnsupportedError(
                f"data.max_length must be at most {positions}, the positions of model {self.cell.model.name}, got "
                f"{self.cell.data.max_length}"
            )

    def adapted(self, config: PretrainedConfig) -> nn.Module:
        """The adapted model on the meta device.

        Raises:
            UnsupportedError: the method cannot adapt the model, or the model has fewer than max_length positions.
        """
        return self._adapt(self._plain(config))

    def _plain(self, config: PretrainedConfig) -> nn.Module:
        model = skeleton(self.cell.model, config, self.dtype)
        self._check_positions(model)
        return model

    def _adapt(self, model: nn.Module) -> nn.Module:
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

    def facts(self, known: dict[str, Costs]) -> Facts:
        """The fields of a row other than its names.

        Args:
            known: parameters of the full depth by key without length; updated.

        Raises:
            UnsupportedError: the method cannot adapt the model.
        """
        counted = self._from_shallow(self.counts, DEPTHS_OF_SUMS)
        whole = self._whole_parameters(known)
        # If the extrapolated parameters are wrong, the method does not treat all layers equally.
        uniform = counted is not None and counted[: len(PARAMETERS)] == whole[: len(PARAMETERS)]
        if counted is None or not uniform:
            counted = self.counts(self.config)
        facts: Facts = dict(zip((*PARAMETERS, *COUNTED), counted, strict=True))
        facts["parts"] = dict(zip(ParameterParts.model_fields, whole[len(PARAMETERS) :], strict=True))
        if self.with_memory and self.cell.model.bits != 8:
            peaks = self._from_shallow(self.peaks, DEPTHS_OF_PEAKS) if uniform else None
            found = from_costs(peaks or self.peaks(self.config))
            facts |= {"train_memory": highest_of_training(found), "inference_memory": found["inference"]}
        return facts | self.remarks(facts) | {"download_bytes": _download_bytes(self.cell.model, len(self.labels))}

    def _whole_parameters(self, known: dict[str, Costs]) -> Costs:
        key = self.key(length_matters=False)
        if key not in known:
            known[key] = self.parameters(self.config)
        return known[key]

    def _from_shallow(self, costs: Callable[[PretrainedConfig], Costs], depths: Sequence[int]) -> Costs | None:
        try:
            return extrapolated(self.config, costs, depths)
        except UnsupportedError:  # the method names a layer that the shallow model lacks
            return None

    def parameters(self, config: PretrainedConfig) -> Costs:
        """The values of PARAMETERS, then of ParameterParts."""
        model = self._plain(config)
        before = Before.of(model, self.cell.model.kind)
        adapted = self._adapt(model)
        counts = parameters.count(adapted)
        parts = before.parts(adapted)
        return (
            *(getattr(counts, name) for name in PARAMETERS),
            *(getattr(parts, name) for name in ParameterParts.model_fields),
        )

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
            *(getattr(counts, name) for name in PARAMETERS), forward, train_flops,
            traced.count_forward(model, length, kind) if self.with_trace else None,
            self.method.artifact_elements(model) * torch.float32.itemsize if trained else 0,
        )  # fmt: skip

    def peaks(self, config: PretrainedConfig) -> Costs:
        """The predicted peaks, see ``as_costs``."""
        peaks = predict(
            self.adapted(config), self.method, self.cell, self.device, self.dtype,
            self.resolved.capability or ASSUMED_CAPABILITY,
        )  # fmt: skip
        return as_costs(peaks)

    def closed_form(self, tokens: int) -> ClosedForm:
        """Forward FLOPs of one sequence of the given length, by the closed form."""
        return closed_form(self.method, self.config, self._task(tokens))

    def remarks(self, facts: Facts) -> Facts:
        """The closed form's FLOPs, a remark if the counts disagree, and reasons for null fields."""
        closed = self.closed_form(self.cell.data.max_length)
        counted = (facts["forward_flops"], facts["forward_flops_traced"], closed.adapted)
        found = agreement.disagreement(*counted, without_method=closed.plain) if self.with_trace else None
        unknown: dict[str, str] = {}
        if closed.why_not is not None:
            unknown |= dict.fromkeys(("forward_flops_closed_form", "expert_flops"), closed.why_not)
        if not self.method.trains:
            unknown |= dict.fromkeys(("train_flops", "train_memory"), "nothing is trained")
        if not self.with_trace:
            unknown["forward_flops_traced"] = "the second count was not requested"
        if not self.with_memory:
            unknown |= dict.fromkeys(("train_memory", "inference_memory"), "memory was not requested")
        elif self.cell.model.bits == 8:
            unknown |= dict.fromkeys(("train_memory", "inference_memory"), "8-bit operators need real values")
        return {
            "forward_flops_closed_form": closed.adapted, "expert_flops": closed.experts,
            "remarks": (*(() if found is None else (found,)), *self._shortages()), "unknown": unknown,
        }  # fmt: skip

    def _shortages(self) -> tuple[str, ...]:
        """What this machine lacks for the model, if the plan is for its CPU."""
        if self.device != "cpu":
            return ()
        return shortages(self.cell.model, self.config, self.dtype, self.cell.limits.cell_memory_bytes)

    def _task(self, tokens: int) -> Task:
        return Task(labels=self.labels, max_length=tokens, kind=self.cell.model.kind)


def _config(model: ModelSource, num_labels: int) -> PretrainedConfig:
    return _config_of(model.model_dump_json(), num_labels)  # as JSON, because a source is not hashable


@cache
def _config_of(source_json: str, num_labels: int) -> PretrainedConfig:
    return config_to_plan(ModelSource.model_validate_json(source_json), num_labels)


def _download_bytes(source: ModelSource, num_labels: int) -> int:
    """Size of the weights on the hub in their own precision, without a classification head."""
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
