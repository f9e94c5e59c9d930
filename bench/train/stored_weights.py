"""Storage of weights and activations in training: precision and gradient checkpointing."""

import torch
from torch import nn

from bench.errors import UnsupportedError
from bench.model.quantization import cast_parameters
from bench.study.values import WeightsStorage


def store_weights(model: nn.Module, dtype: torch.dtype, storage: WeightsStorage = "auto") -> None:
    """Convert the weights to their storage precision in training; quantised ones stay as they are.

    Args:
        model: adapted model.
        dtype: dtype of the matmuls.
        storage: see ``TrainSettings.weights_storage``.
    """
    if storage == "auto":
        store_frozen_weights_as(model, dtype)
    else:
        cast_parameters(model, dtype if storage == "true" else torch.float32)


def store_frozen_weights_as(model: nn.Module, dtype: torch.dtype) -> None:
    """Convert the frozen weights of linear layers and embeddings to the dtype of the computation.

    They get no updates, so fp32 has no benefit; trainable weights stay fp32, because rounding would lose small updates.
    """
    if dtype == torch.float32:
        return
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            for parameter in module.parameters(recurse=False):
                if not parameter.requires_grad and parameter.dtype == torch.float32:
                    parameter.data = parameter.data.to(dtype)


def enable_gradient_checkpointing(model: nn.Module) -> None:
    """Enable gradient checkpointing: every layer keeps only its input (Chen et al. 2016, arXiv 1604.06174).

    Raises:
        UnsupportedError: the architecture does not support it.
    """
    # The second name is that before transformers 5.23; remove it when that is the minimum version.
    names = ("activation_checkpointing", "gradient_checkpointing")
    name = next((name for name in names if hasattr(model, f"{name}_enable")), None)
    try:
        if name is None:
            raise ValueError(f"it has no {names[0]}_enable")
        getattr(model, f"{name}_enable")(**{f"{name}_kwargs": {"use_reentrant": False}})
    except ValueError as error:
        raise UnsupportedError(f"train.gradient_checkpointing is true, but the model lacks it: {error}") from None
