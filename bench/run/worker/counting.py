"""Count the FLOPs of a cell's adapted model on the meta device, without computing."""

import traceback
from dataclasses import dataclass

from torch import nn
from transformers import PretrainedConfig

from bench.measure.flops import agreement, dispatched, traced
from bench.measure.flops.closed_form import ClosedForm, closed_form
from bench.measure.flops.lengths import FlopsByLength
from bench.method import Method, Task
from bench.record.record import Check, Flops
from bench.run.worker.checks import counters_agree


@dataclass(frozen=True, slots=True)
class Counted:
    """The counted FLOPs.

    Attributes:
        flops: FLOPs of a forward pass over one sequence of max_length tokens, for the record.
        why_no_closed_form: reason why there is no closed form; None if there is one.
        forward: FLOPs of a forward pass by sequence length; None if they are no polynomial of second degree.
        training: FLOPs of forward and backward pass by sequence length; None also if nothing is trained.
        check: check that the counts agree.
    """

    flops: Flops
    why_no_closed_form: str | None
    forward: FlopsByLength | None
    training: FlopsByLength | None
    check: Check


def count(twin: nn.Module, method: Method, config: PretrainedConfig, task: Task) -> Counted:
    """Count the adapted model.

    Args:
        twin: adapted model on the meta device.
        method: method that adapted it.
        config: config of the base model.
        task: task of the cell.
    """
    closed = closed_form(method, config, task)
    flops = dispatched.count_forward(twin, task.max_length, task.kind)
    flops = flops.model_copy(update={"closed_form_flops": closed.adapted})
    check = _agreement(twin, task, flops.forward_flops, closed)
    try:
        forward, training = _by_length(twin, method.trains, task)
    except Exception:  # an extra: a model that refuses some length is still measured
        traceback.print_exc()
        return Counted(flops, closed.why_not, None, None, check)
    fits = agreement.agree(round(forward.at(task.max_length)), flops.forward_flops)
    if not fits:
        return Counted(flops, closed.why_not, None, None, check)
    return Counted(flops, closed.why_not, forward, training, check)


def _by_length(twin: nn.Module, trains: bool, task: Task) -> tuple[FlopsByLength, FlopsByLength | None]:
    """Polynomials of the forward pass and of a training step, fitted at lengths below the longest.

    Raises:
        ValueError: the lengths are too short to differ.
    """
    forward, training = {}, {}
    for quarters in (1, 2, 3):
        length = max(quarters, task.max_length * quarters // 4)
        if trains:
            forward[length], training[length] = dispatched.count_passes(twin, length, task.kind)
        else:
            forward[length] = dispatched.count_forward(twin, length, task.kind).forward_flops
    return FlopsByLength.through(forward), FlopsByLength.through(training) if trains else None


def _agreement(twin: nn.Module, task: Task, counted: int, closed: ClosedForm) -> Check:
    try:
        on_trace = traced.count_forward(twin, task.max_length, task.kind)
    except Exception as error:  # a plugin's model may not be traceable
        traceback.print_exc()
        return counters_agree(f"the model cannot be traced: {type(error).__name__}: {str(error)[:200]}", None)
    found = agreement.disagreement(counted, on_trace, closed.adapted, without_method=closed.plain)
    return counters_agree(found, 2 if closed.adapted is None else 3)
