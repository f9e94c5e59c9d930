"""A method asked what it did with a text, and its answer held to the contract."""

from collections.abc import Sequence

import torch
from torch import nn

from bench.errors import PluginError
from bench.method import Method, Trace


def asked_trace(name: str, method: Method, model: nn.Module, ids: Sequence[int]) -> Trace | None:
    """What a method tells of one text; None where it tells nothing.

    Args:
        name: of the method, for messages.
        method: to ask.
        model: adapted by it, as it is deployed.
        ids: of the text's tokens.

    Raises:
        PluginError: it fails, or does not give one step for each token and place.
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
            f"method {name}: explain names {len(trace.categories)} categories, and a step is of number {beyond[0]}"
        )
    return trace
