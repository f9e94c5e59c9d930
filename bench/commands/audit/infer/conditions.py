"""Conditions of a training that change its peak memory and that publications often do not state."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, get_args

from bench.method import Method
from bench.plan.memory import matmul_workspace_bytes
from bench.study.cell import Cell

Precision = Literal["fp32", "AMP", "bf16"]
Attention = Literal["SDPA with mask", "SDPA without mask", "eager"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
ATTENTIONS: tuple[Attention, ...] = get_args(Attention)
#: Settings by precision. AMP keeps fp32 weights and casts them under autocast, which keeps the copies of trained ones
#: until the end of the forward pass; bf16 stores all weights in bf16.
SETTINGS: dict[Precision, dict[str, str]] = {
    "fp32": {"precision": "fp32", "weights_storage": "auto"},
    "AMP": {"precision": "bf16", "weights_storage": "mixed"},
    "bf16": {"precision": "bf16", "weights_storage": "true"},
}
#: GPUs that differ in the size of cuBLAS's workspaces, by a compute capability that stands for each.
GPUS = {(8, 0): "GPU up to compute capability 8.9", (9, 0): "GPU of compute capability 9.0 or 10.0"}
#: Probability where the study's method has none; memory does not depend on it as long as it is above 0.
SOME_DROPOUT = 0.1


@dataclass(frozen=True, slots=True)
class Conditions:
    """One combination of conditions, without the batch size.

    Attributes:
        precision: of weights and matmuls.
        attention: implementation of attention, and whether batches have a mask.
        dropout: whether adapters drop their input; None if no method of the column has such an option.
        checkpointing: whether activations are recomputed in the backward pass.
        capability: compute capability of the GPU, which sets the size of cuBLAS's workspaces; None: a CPU.
    """

    precision: Precision
    attention: Attention
    dropout: bool | None
    checkpointing: bool
    capability: tuple[int, int] | None

    @property
    def masked(self) -> bool:
        """Whether a batch has an attention mask."""
        return self.attention != "SDPA without mask"

    def factors(self) -> dict[str, str]:
        """The value of each condition, by its name."""
        said: dict[str, str] = {"precision": self.precision, "attention": self.attention}
        if self.dropout is not None:
            said["adapter dropout"] = "above 0" if self.dropout else "none"
        if self.capability is not None:
            said["GPU"] = GPUS[self.capability]
        return said | {"checkpointing": "on" if self.checkpointing else "off"}

    def text(self) -> str:
        """The conditions in one phrase."""
        parts = [self.precision, self.attention if self.attention != "eager" else "eager attention"]
        if self.dropout is not None:
            parts.append("adapter dropout above 0" if self.dropout else "no adapter dropout")
        parts.append("checkpointing" if self.checkpointing else "no checkpointing")
        return ", ".join(parts if self.capability is None else [*parts, GPUS[self.capability]])

    @property
    def workspace_bytes(self) -> int:
        """cuBLAS's workspaces in training."""
        return 0 if self.capability is None else matmul_workspace_bytes(self.capability, trains=True)


def all_conditions(dropouts: Sequence[bool | None], device: str) -> tuple[Conditions, ...]:
    """Every combination.

    Args:
        dropouts: values of ``Conditions.dropout``.
        device: ``cpu`` or ``cuda``.
    """
    capabilities = tuple(GPUS) if device == "cuda" else (None,)
    combinations = product(PRECISIONS, ATTENTIONS, dropouts, (False, True), capabilities)
    return tuple(Conditions(*values) for values in combinations)


def dropout_option(method: type[Method]) -> str | None:
    """The name of a method's option for dropout in its adapters; None if it has none."""
    fields = method.options_class.model_fields
    return next(
        (name for name, field in fields.items() if name.endswith("dropout") and field.annotation is float), None
    )


def cell_under(cell: Cell, conditions: Conditions, option: str | None) -> Cell:
    """A cell under other conditions.

    Args:
        cell: cell of the study.
        conditions: conditions to apply.
        option: the method's option for dropout, see ``dropout_option``.
    """
    train: dict[str, Any] = SETTINGS[conditions.precision] | {
        "gradient_checkpointing": conditions.checkpointing, "gradient_accumulation_steps": 1,
    }  # fmt: skip
    method = cell.method
    if option is not None and conditions.dropout is not None:
        probability = (method.given.get(option) or SOME_DROPOUT) if conditions.dropout else 0.0
        method = method.model_copy(update={"given": method.given | {option: probability}})
    attention = "eager" if conditions.attention == "eager" else None
    return cell.model_copy(
        update={
            "train": cell.train.model_copy(update=train), "method": method,
            "model": cell.model.model_copy(update={"attention": attention}),
        }
    )  # fmt: skip
