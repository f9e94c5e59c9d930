"""Checks of the model as it is asked: the same answer every time, whatever padding stands beside, merged or not."""

import json

import torch

from bench.commands.check.finding import Finding, failed, not_applicable, passed
from bench.commands.check.subject import Adapted, Subject, distance
from bench.commands.explain.trace import asked_trace
from bench.errors import PluginError
from bench.method import Method
from bench.method.insight import Insights

#: Of the largest score: rounding of fp32, through a few layers, in another order of sums.
ROUNDING_FRACTION = 1e-4
MORE_PADDING = 7


def evaluation(subject: Subject) -> Finding:
    """Whether a model in evaluation mode gives one answer, whatever the generators hold."""
    model = subject.trained().model
    off = distance(subject.scores(model, seed=1), subject.scores(model, seed=2))
    if off:
        advice = "draw nothing where the module is not in training mode"
        return failed(f"in evaluation mode, scores of one batch differ by {off:.2g} of the largest", advice)
    return passed("in evaluation mode two passes are bitwise equal")


def padding(subject: Subject) -> Finding:
    """Whether the scores of a text are the same however much padding stands beside it."""
    model, specimen = subject.trained().model, subject.specimen
    batch = specimen.batch()
    with torch.no_grad():
        narrow, wide = (specimen.logits(model, given) for given in (batch, specimen.widened(batch, MORE_PADDING)))
    advice = "leave padding out: the attention mask says where it is"
    return _held(distance(wide, narrow), f"with {MORE_PADDING} more columns of padding", advice)


def merged(subject: Subject) -> Finding:
    """Whether the model that prepare_inference returns, for example with merged weights, gives the same scores."""
    if subject.method_class.prepare_inference is Method.prepare_inference:
        return not_applicable("the model is deployed as it was trained")
    method, model = subject.shifted()
    wanted = subject.scores(model)
    off = distance(subject.scores(method.prepare_inference(model).eval()), wanted)
    return _held(off, "prepared for inference", "prepare_inference may change the cost, never the answer")


def _held(off: float, where: str, advice: str) -> Finding:
    """Whether scores agree up to rounding.

    Args:
        off: difference, as a share of the largest score.
        where: condition under which the scores were computed anew.
        advice: what to do if they do not agree.
    """
    found = f"{where} the scores are off by {off:.2g} of the largest"
    return failed(found, advice) if off > ROUNDING_FRACTION else passed(found)


def _deployed(subject: Subject) -> Adapted:
    """Trained, prepared for inference, and in evaluation mode."""
    method, model = subject.shifted()
    return Adapted(method, method.prepare_inference(model).requires_grad_(False).eval())


def insights(subject: Subject) -> Finding:
    """Whether what the method shows of a model is of the contract's type, and can be written down."""
    if subject.method_class.insights is Method.insights:
        return not_applicable("the method shows nothing beyond the table")
    method, model = _deployed(subject)
    with torch.inference_mode():
        shown = method.insights(model, subject.specimen.task, subject.specimen.examples())
    if not isinstance(shown, Insights):
        return failed(f"insights returns {type(shown).__name__}", "return bench.method.Insights")
    try:
        json.dumps([shown.facts, [part.model_dump(mode="json") for part in shown.parts]], allow_nan=False)
    except (TypeError, ValueError) as error:
        return failed(f"insights cannot be written as JSON: {error}", "give plain, finite numbers, texts and lists")
    return passed(f"{len(shown.parts)} parts, {len(shown.facts)} facts")


def explanation(subject: Subject) -> Finding:
    """Whether what the method tells of one text has a step for each token and place."""
    if subject.method_class.explain is Method.explain:
        return not_applicable("the method explains nothing")
    method, model = _deployed(subject)
    ids = subject.specimen.examples().batches[0].input_ids[0].tolist()
    try:
        trace = asked_trace(subject.name, method, model, ids)
    except PluginError as error:
        return failed(str(error), "return a Trace with a step for each token and place, or None")
    return passed("None" if trace is None else f"{len(ids)} tokens by {len(trace.places)} places")
