"""FLOPs of a cell's adapted model, counted on the meta device where nothing is computed."""

import traceback
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PretrainedConfig

from bench.errors import UnsupportedError
from bench.measure.flops import agreement, dispatched, traced
from bench.measure.flops.lengths import FlopsByLength
from bench.method import Method, Task
from bench.method.architecture import Architecture
from bench.record.record import Check, Flops
from bench.run.worker.checks import counted_alike


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted.

    Attributes:
        flops: one forward pass over one sequence of the longest length, for the record.
        forward: a forward pass by the tokens of the sequence; None where it is no polynomial of second degree.
        training: forward and backward likewise; None where nothing is trained, too.
        check: whether the ways of counting agree.
    """

    flops: Flops
    forward: FlopsByLength | None
    training: FlopsByLength | None
    check: Check


def count(twin: nn.Module, method: Method, config: PretrainedConfig, task: Task) -> Counted:
    """Count the adapted model.

    Args:
        twin: adapted, on the meta device.
        method: that adapted it.
        config: of the model before.
        task: of the cell.
    """
    flops = dispatched.count_forward(twin, task.max_length, task.kind)
    check = _agreement(twin, method, config, task, flops.forward_flops)
    try:
        forward, training = _by_length(twin, method.trains, task)
    except Exception:  # an extra: a model that some length does not suit is still measured
        traceback.print_exc()
        return Counted(flops, None, None, check)
    fits = agreement.agree(round(forward.at(task.max_length)), flops.forward_flops)
    return Counted(flops, forward, training, check) if fits else Counted(flops, None, None, check)


def _by_length(twin: nn.Module, trains: bool, task: Task) -> tuple[FlopsByLength, FlopsByLength | None]:
    """Polynomials of the forward pass and of a training step, through lengths below the longest.

    Raises:
        ValueError: lengths so short that some coincide.
    """
    forward, training = {}, {}
    for quarters in (1, 2, 3):
        length = max(quarters, task.max_length * quarters // 4)
        if trains:
            forward[length], training[length] = dispatched.count_passes(twin, length, task.kind)
        else:
            forward[length] = dispatched.count_forward(twin, length, task.kind).forward_flops
    return FlopsByLength.through(forward), FlopsByLength.through(training) if trains else None


def _agreement(twin: nn.Module, method: Method, config: PretrainedConfig, task: Task, counted: int) -> Check:
    try:
        on_trace = traced.count_forward(twin, task.max_length, task.kind)
    except Exception as error:  # a plugin's model may be traceable by nothing
        traceback.print_exc()
        return counted_alike(f"the model cannot be traced: {type(error).__name__}: {str(error)[:200]}", None)
    closed = plain = None
    try:
        architecture = Architecture.from_config(config, task.kind)
        with torch.device("meta"):
            closed, plain = method.closed_form_flops(architecture, task), architecture.forward_flops(task.max_length)
    except UnsupportedError:  # this architecture has no closed form here
        pass
    found = agreement.disagreement(counted, on_trace, closed, without_method=plain)
    return counted_alike(found, 2 if closed is None else 3)
