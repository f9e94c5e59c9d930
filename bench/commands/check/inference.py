"""Checks of inference: scores do not depend on random numbers, padding or merging of weights."""

import json

import torch

from bench.commands.check.finding import Finding, failed, not_applicable, passed
from bench.commands.check.subject import Adapted, Subject, distance
from bench.commands.explain.trace import checked_trace
from bench.errors import PluginError
from bench.method import Method
from bench.method.insight import Insights

#: Tolerance for fp32 rounding in a few layers, as a fraction of the largest score.
ROUNDING_FRACTION = 1e-4
MORE_PADDING = 7


def evaluation(subject: Subject) -> Finding:
    """Whether a model in evaluation mode does not depend on random numbers."""
    model = subject.trained().model
    off = distance(subject.scores(model, seed=1), subject.scores(model, seed=2))
    if off:
        advice = "draw random numbers only in training mode"
        return failed(f"in evaluation mode, scores of one batch differ by {off:.2g} of the largest", advice)
    return passed("in evaluation mode two passes are bitwise equal")


def padding(subject: Subject) -> Finding:
    """Whether the scores of a text do not depend on the amount of padding."""
    model, specimen = subject.trained().model, subject.specimen
    batch = specimen.batch()
    with torch.no_grad():
        narrow, wide = (specimen.logits(model, given) for given in (batch, specimen.widened(batch, MORE_PADDING)))
    advice = "ignore padding: the attention mask marks it"
    return _unchanged(distance(wide, narrow), f"with {MORE_PADDING} more columns of padding", advice)


def merged(subject: Subject) -> Finding:
    """Whether the model that prepare_inference returns, for example with merged weights, gives the same scores."""
    if subject.method_class.prepare_inference is Method.prepare_inference:
        return not_applicable("the method does not override prepare_inference")
    method, model = subject.shifted()
    wanted = subject.scores(model)
    off = distance(subject.scores(method.prepare_inference(model).eval()), wanted)
    return _unchanged(off, "prepared for inference", "prepare_inference may change the cost but not the scores")


def _unchanged(off: float, where: str, advice: str) -> Finding:
    """Whether scores agree up to rounding.

    Args:
        off: difference, as a fraction of the largest score.
        where: condition under which the scores were computed again.
        advice: remedy for a failure.
    """
    found = f"{where} the scores are off by {off:.2g} of the largest"
    return failed(found, advice) if off > ROUNDING_FRACTION else passed(found)


def _deployed(subject: Subject) -> Adapted:
    """A model that is trained, prepared for inference, and in evaluation mode."""
    method, model = subject.shifted()
    return Adapted(method, method.prepare_inference(model).requires_grad_(False).eval())


def insights(subject: Subject) -> Finding:
    """Whether ``insights`` returns the contract's type and can be written as JSON."""
    if subject.method_class.insights is Method.insights:
        return not_applicable("the method has no insights")
    method, model = _deployed(subject)
    with torch.inference_mode():
        shown = method.insights(model, subject.specimen.task, subject.specimen.examples())
    if not isinstance(shown, Insights):
        return failed(f"insights returns {type(shown).__name__}", "return bench.method.Insights")
    try:
        json.dumps([shown.facts, [part.model_dump(mode="json") for part in shown.parts]], allow_nan=False)
    except (TypeError, ValueError) as error:
        return failed(f"insights cannot be written as JSON: {error}", "use only finite numbers, strings and lists")
    return passed(f"{len(shown.parts)} parts, {len(shown.facts)} facts")


def explanation(subject: Subject) -> Finding:
    """Whether ``explain`` returns one step for each token and place."""
    if subject.method_class.explain is Method.explain:
        return not_applicable("the method has no explain hook")
    method, model = _deployed(subject)
    ids = subject.specimen.examples().batches[0].input_ids[0].tolist()
    try:
        trace = checked_trace(subject.name, method, model, ids)
    except PluginError as error:
        return failed(str(error), "return a Trace with a step for each token and place, or None")
    return passed("None" if trace is None else f"{len(ids)} tokens by {len(trace.places)} places")
