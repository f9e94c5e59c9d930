"""How a training keeps its weights and activations: the precision that is stored, and gradient checkpointing."""

import torch
from torch import nn

from bench.errors import UnsupportedError
from bench.model.quantization import cast_parameters
from bench.study.values import WeightsStorage


def store_weights(model: nn.Module, dtype: torch.dtype, storage: WeightsStorage = "auto") -> None:
    """Put the weights into the precision that a training keeps them in; quantised ones stay as they are.

    Args:
        model: adapted.
        dtype: of the matmuls.
        storage: see ``TrainSettings.weights_storage``.
    """
    if storage == "auto":
        store_frozen_weights_as(model, dtype)
    else:
        cast_parameters(model, dtype if storage == "true" else torch.float32)


def store_frozen_weights_as(model: nn.Module, dtype: torch.dtype) -> None:
    """Keep the frozen weights of linear layers and embeddings in the precision that they are computed in.

    They get no update, so fp32 would buy nothing; trainable weights stay fp32, lest small updates be rounded away.
    """
    if dtype == torch.float32:
        return
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            for parameter in module.parameters(recurse=False):
                if not parameter.requires_grad and parameter.dtype == torch.float32:
                    parameter.data = parameter.data.to(dtype)


def enable_gradient_checkpointing(model: nn.Module) -> None:
    """Have every layer keep its input alone (Chen et al. 2016, arXiv 1604.06174).

    Raises:
        UnsupportedError: the architecture does not offer it.
    """
    # The second is the name before transformers 5.23, and goes when that is the floor.
    names = ("activation_checkpointing", "gradient_checkpointing")
    name = next((name for name in names if hasattr(model, f"{name}_enable")), None)
    try:
        if name is None:
            raise ValueError(f"it has no {names[0]}_enable")
        getattr(model, f"{name}_enable")(**{f"{name}_kwargs": {"use_reentrant": False}})
    except ValueError as error:
        raise UnsupportedError(f"train.gradient_checkpointing is true, but the model cannot: {error}") from None
