"""Checks of ``adapt``: the adapted model, its dependence on seeds and weights, and its counts."""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.commands.check.finding import Finding, failed, listed, not_applicable, passed
from bench.commands.check.process_state import changed_settings, read_settings
from bench.commands.check.specimen import LABELS, MAX_LENGTH
from bench.commands.check.subject import CPU, Adapted, Subject
from bench.errors import UnsupportedError
from bench.measure import parameters
from bench.measure.flops import dispatched, traced
from bench.measure.flops.agreement import disagreement
from bench.measure.flops.closed_form import closed_form


def adapts(subject: Subject) -> Finding:
    """Whether the adapted model gives finite scores and has trainable parameters exactly if the method trains."""
    try:
        adapted = subject.adapted()
    except UnsupportedError as error:
        return not_applicable(f"unsupported: {error}")
    if not isinstance(adapted.model, nn.Module):
        return failed(f"adapt returns {type(adapted.model).__name__}", "return the model to train")
    scores = subject.scores(adapted.model.eval())
    wanted = (*subject.specimen.batch().labels.shape, subject.specimen.config.vocab_size)
    shape = wanted if subject.specimen.kind == "causal" else (wanted[0], len(LABELS))
    if tuple(scores.shape) != shape or not torch.isfinite(scores).all():
        what = f"of shape {list(scores.shape)}" if tuple(scores.shape) != shape else "that are not finite"
        return failed(f"the adapted model gives scores {what}", f"keep logits of shape {list(shape)}")
    counted, trains = parameters.count(adapted.model), subject.method_class.trains
    if trains and not counted.trainable_params:
        return failed("no parameter is trainable", "set requires_grad in adapt, or set trains = False")
    if not trains and counted.trainable_params:
        advice = "set requires_grad to False in adapt, or remove trains = False"
        return failed(f"trains is False, and {counted.trainable_params:,} parameters are trainable", advice)
    return passed(f"trains {counted.trainable_params:,} of {counted.total_params:,} parameters")


def random_numbers(subject: Subject) -> Finding:
    """Whether the seed alone determines the random numbers of a method, which must not set seeds itself."""
    builds, states = [], []
    for seed in (1, 1, 2):
        builds.append(_values(subject.adapted(seed).model))
        states.append(_generator_states())
    if differing := [name for name, value in builds[0].items() if not _same(value, builds[1].get(name))]:
        advice = "draw from torch's global generator, not from the clock or the system"
        return failed(f"two builds of one seed differ in {listed(differing)}", advice)
    for generator, one, other in zip(states[0], states[0].values(), states[2].values(), strict=True):
        if one == other:
            return failed(
                f"adapt seeds {generator}", "leave seeding to the harness; otherwise all seeds give equal runs"
            )
    drawn = [name for name, value in builds[0].items() if not _same(value, builds[2].get(name))]
    if not drawn:
        return passed("one seed gives one model; adapt draws no random numbers")
    return passed(f"one seed gives one model; another seed changes {len(drawn)} tensors")


def _values(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items() if isinstance(tensor, Tensor)}


def _same(one: Tensor, other: Tensor | None) -> bool:
    """Whether two tensors are bitwise equal, with NaN equal to NaN."""
    return other is not None and one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def _generator_states() -> dict[str, str]:
    return {
        "torch's generator": str(torch.get_rng_state().tolist()),
        "numpy's generator": str(np.random.get_state()),
        "Python's generator": str(random.getstate()),
    }


def meta_build(subject: Subject) -> Finding:
    """Whether a model without weights, as used for plans, is adapted to the same tensors."""
    real, twin = (_shapes(adapted) for adapted in (subject.adapted(), subject.twin()))
    if odd := [name for name in {**real, **twin} if real.get(name) != twin.get(name)]:
        first = odd[0]
        said = f"{first} is {_described(real.get(first))}, and {_described(twin.get(first))} on meta"
        return failed(f"{len(odd)} parameters differ; {said}", "make adapt independent of the values of weights")
    return passed(f"{len(real)} parameters with equal names, shapes and trainability")


def _shapes(adapted: Adapted) -> dict[str, tuple[list[int], bool]]:
    return {name: (list(p.shape), p.requires_grad) for name, p in adapted.model.named_parameters()}


def _described(facts: tuple[list[int], bool] | None) -> str:
    return "missing" if facts is None else f"{facts[0]}{'' if facts[1] else ' and frozen'}"


def flops(subject: Subject) -> Finding:
    """Whether the FLOPs of a forward pass agree, counted at dispatch and on the trace."""
    model, kind = subject.twin().model, subject.specimen.kind
    at_dispatch = dispatched.count_forward(model, MAX_LENGTH, kind).forward_flops
    if found := disagreement(at_dispatch, traced.count_forward(model, MAX_LENGTH, kind)):
        return failed(found, "use torch operators that both counters know; custom operators are not counted")
    training = dispatched.count_training(subject.twin().model, MAX_LENGTH, kind) if subject.method_class.trains else 0
    backward = f", {training:,} with the backward pass" if training else ""
    return passed(f"{at_dispatch:,} forward FLOPs by both counters{backward}")


def closed_form_flops(subject: Subject) -> Finding:
    """Whether the method's closed form, if it has one, agrees with both counters."""
    (method, model), kind = subject.twin(), subject.specimen.kind
    closed = closed_form(method, subject.specimen.config, subject.specimen.task)
    if closed.adapted is None or closed.plain is None:
        return not_applicable(f"{closed.why_not}; the two counters are compared")
    if wrong := [value for value in (closed.adapted, closed.experts) if type(value) is not int or value < 0]:
        return failed(f"FLOPs in closed form are {wrong[0]!r}", "return a non-negative int, or None for no closed form")
    at_dispatch = dispatched.count_forward(model, MAX_LENGTH, kind).forward_flops
    on_trace = traced.count_forward(model, MAX_LENGTH, kind)
    if found := disagreement(at_dispatch, on_trace, closed.adapted, without_method=closed.plain):
        return failed(
            found, "make closed_form_flops agree with the model: a multiply-add is 2, elementwise operators are 0"
        )
    experts = closed.experts or 0
    if experts > closed.adapted:
        return failed(f"expert_flops are {experts:,} of {closed.adapted:,}", "return at most closed_form_flops")
    return passed(f"{closed.adapted:,} forward FLOPs, {closed.adapted - closed.plain:+,} relative to the plain model")


def process_state(subject: Subject) -> Finding:
    """Whether process-wide settings, such as threads, default dtype and environment, stay unchanged."""
    before = read_settings()

    def change_by(hook: str) -> Finding | None:
        if changes := changed_settings(before):
            return failed(f"{hook} changes {listed(changes)}", "do not change settings of the process")
        return None

    adapted = subject.adapted()
    if finding := change_by("adapt"):
        return finding
    if subject.method_class.trains:
        subject.train(adapted)
        if finding := change_by("training"):
            return finding
    adapted.method.prepare_inference(adapted.model)
    return change_by("prepare_inference") or passed("threads, dtype, device, gradient mode and environment unchanged")


def devices(subject: Subject, device: torch.device | None = None) -> Finding:
    """Whether the model's own tensors stay on their device; not applicable without a GPU."""
    if device is None:
        if not torch.cuda.is_available():
            return not_applicable("this machine has only one device, the CPU")
        device = torch.device("cuda", torch.cuda.current_device())
    model: Any = subject.specimen.build().to(device)
    own = {id(parameter): name for name, parameter in model.named_parameters()}
    adapted = subject.method().adapt(model, subject.specimen.task)
    moved = [own[id(p)] for p in adapted.parameters() if id(p) in own and p.device.type != device.type]
    if moved:
        return failed(f"adapt moves {listed(moved)} from {device} to {CPU}", "leave devices to the harness")
    return passed(f"the model's tensors stay on {device}")
