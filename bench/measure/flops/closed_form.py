"""FLOPs in closed form: from the sizes of an architecture and a method's options, without a model."""

from dataclasses import dataclass

import torch
from transformers import PretrainedConfig

from bench.errors import UnsupportedError
from bench.method import Method, Task
from bench.method.architecture import Architecture


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """FLOPs of one forward pass over one sequence of ``max_length`` tokens.

    Attributes:
        adapted: of the adapted, unmerged model; None where ``why_not`` says why.
        experts: the share of ``adapted`` that experts take; None where that is None.
        plain: of the model without the method; None where the architecture has no closed form.
        why_not: why ``adapted`` is None; None where it is known.
    """

    adapted: int | None
    experts: int | None
    plain: int | None
    why_not: str | None


def closed_form(method: Method, config: PretrainedConfig, task: Task) -> ClosedForm:
    """Ask the architecture and the method; either may have no closed form."""
    try:
        architecture = Architecture.from_config(config, task.kind)
        with torch.device("meta"):
            plain, adapted = architecture.forward_flops(task.max_length), method.closed_form_flops(architecture, task)
            experts = None if adapted is None else method.expert_flops(architecture, task)
    except UnsupportedError:
        return ClosedForm(None, None, None, f"architecture {config.model_type} has no closed form here")
    why_not = f"method {type(method).__name__} states no closed_form_flops" if adapted is None else None
    return ClosedForm(adapted, experts, plain, why_not)
