"""Call a method's ``explain`` hook and validate its result."""

from collections.abc import Sequence

import torch
from torch import nn

from bench.errors import PluginError
from bench.method import Method, Trace


def checked_trace(name: str, method: Method, model: nn.Module, ids: Sequence[int]) -> Trace | None:
    """The trace that a method returns for one text; None if it returns none.

    Args:
        name: name of the method, for messages.
        method: method to call.
        model: model adapted by it, prepared for inference.
        ids: token ids of the text.

    Raises:
        PluginError: the hook fails, or does not return one step for each token and place.
    """
    try:
        trace = method.explain(model, torch.tensor([ids], dtype=torch.int64), None)
    except Exception as error:  # a plugin may raise anything
        raise PluginError(f"method {name}: explain failed: {type(error).__name__}: {error}") from error
    if trace is None:
        return None
    if not isinstance(trace, Trace):
        raise PluginError(f"method {name}: explain must return a Trace or None, got {type(trace).__name__}")
    steps = [step for row in trace.steps for step in row]
    if len(trace.steps) != len(ids) or any(len(row) != len(trace.places) for row in trace.steps):
        raise PluginError(
            f"method {name}: explain must give one step for each of {len(ids)} tokens and {len(trace.places)} places, "
            f"got {len(steps)} steps for {len(trace.steps)} tokens"
        )
    if beyond := [step.category for step in steps if step.category >= len(trace.categories)]:
        raise PluginError(
            f"method {name}: explain has {len(trace.categories)} categories, but a step has category {beyond[0]}"
        )
    return trace
