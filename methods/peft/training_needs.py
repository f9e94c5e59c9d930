"""What some types of peft need of a training: its length, its data, calls after steps, groups of parameters."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from peft import initialize_lora_eva_weights
from peft.optimizers import create_loraplus_optimizer
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from bench.errors import UnsupportedError
from bench.method import Encoded, TrainingRun

#: Batches from which EVA computes its directions, and passes over batches after which it must have converged.
EVA_BATCHES, MOST_EVA_PASSES = 64, 1000


def tuner_of(model: nn.Module) -> Any:
    """peft's tuner of a wrapped model."""
    return model.base_model


def config_of(model: nn.Module) -> Any:
    """The config of the only adapter of a wrapped model."""
    return model.peft_config["default"]  # type: ignore[index]


def prepare(model: nn.Module, run: TrainingRun) -> None:
    """Tell the adapter how long the training is, and initialise it from the training's data if it asks for that."""
    config = config_of(model)
    if hasattr(config, "total_step"):
        _set_total_steps(model, run.total_steps)
    if getattr(config, "init_lora_weights", None) == "eva":
        _initialize_from_data(model, run)


def _set_total_steps(model: nn.Module, total_steps: int) -> None:
    config = config_of(model)
    if config.tinit + config.tfinal >= total_steps:
        raise UnsupportedError(
            f"tinit + tfinal must be below the {total_steps} steps of the training, got "
            f"{config.tinit} + {config.tfinal}; lower them, or train longer"
        )
    config.total_step = total_steps


def _initialize_from_data(model: nn.Module, run: TrainingRun) -> None:
    passes = 0

    def forward(wrapped: nn.Module, inputs: dict[str, Tensor]) -> None:
        nonlocal passes
        passes += 1
        if passes > MOST_EVA_PASSES:
            raise UnsupportedError(
                f"EVA did not converge in {MOST_EVA_PASSES} passes; lower r or eva_config.tau, or use larger batches"
            )
        wrapped(**inputs)

    batches = [_inputs(batch) for batch in islice(run.batches(), EVA_BATCHES)]
    initialize_lora_eva_weights(model, batches, forward_fn=forward, show_progress_bar=False)


def _inputs(batch: Encoded) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in batch.inputs.items() if tensor is not None}


def after_step(model: nn.Module, step: int) -> None:
    """Let the adapter distribute its rank, if it does.

    Args:
        model: model after an optimizer step, with its gradients.
        step: number of the step, from 0.
    """
    tuner = tuner_of(model)
    if not hasattr(type(tuner), "update_and_allocate"):
        return
    if any(isinstance(parameter, FakeTensor) for parameter in model.parameters()):
        if hasattr(tuner, "rankallocator"):  # a plan needs the tensors that it keeps, but has no values to rank
            tuner.rankallocator.update_ipt(tuner.model)
        return
    tuner.update_and_allocate(step + 1)


def extra_loss(model: nn.Module) -> Tensor | None:
    """The loss that peft's forward pass adds to a loss of the model, which the harness does not let it compute."""
    weight = getattr(config_of(model), "orth_reg_weight", None)
    if not weight:
        return None
    terms = list(_off_orthogonal(model))
    return weight * torch.stack(terms).mean()  # type: ignore[no-any-return]


def _off_orthogonal(model: nn.Module) -> Iterator[Tensor]:
    """How far each factor is from orthogonal, in the Frobenius norm."""
    for name, factor in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            product = factor @ factor.T if "lora_A" in name else factor.T @ factor
            yield torch.linalg.matrix_norm(product - torch.eye(len(product), device=product.device))


class _Groups:
    """Stands for an optimizer class, and keeps the parameter groups that it is given."""

    def __init__(self, groups: list[dict[str, Any]], **_: Any) -> None:
        self.param_groups = groups


def loraplus_groups(
    model: nn.Module, learning_rate: float, ratio: float, weight_decay: float
) -> list[dict[str, Any]]:  # fmt: skip
    """The parameter groups of LoRA+ as peft makes them; vectors get no weight decay.

    Args:
        model: adapted model.
        learning_rate: peak learning rate of the A matrices.
        ratio: that of the B matrices and vectors, as a multiple.
        weight_decay: decoupled weight decay of matrices.
    """
    make: Any = create_loraplus_optimizer
    made = make(model, _Groups, lr=learning_rate, loraplus_lr_ratio=ratio, loraplus_weight_decay=weight_decay)
    groups = []
    for group in made.param_groups:
        matrices = [parameter for parameter in group["params"] if parameter.ndim >= 2]
        vectors = [parameter for parameter in group["params"] if parameter.ndim < 2]
        groups += [group | {"params": matrices}, group | {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
