"""The saved artifact of an adapted model, in the formats of transformers and peft."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

#: File of the trained tensors only, and file of a whole model as transformers names it.
PART, WHOLE = "adapter.safetensors", "model.safetensors"
PEFT, CARD = "adapter_config.json", "README.md"


def save(model: nn.Module, folder: Path) -> None:
    """Write the trainable tensors of a model as safetensors.

    If these are the whole model, and transformers can build it from its config, they are written in its format.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if trained.keys() == kept_tensors(model).keys() and is_described(model):
        write_tensors(folder / WHOLE, trained, {"format": "pt"})
        model.config.save_pretrained(folder)  # type: ignore[union-attr,operator] # a model of transformers has one
    else:
        write_tensors(folder / PART, trained)


def read(folder: Path) -> dict[str, Tensor]:
    """The tensors that ``save`` wrote, by name."""
    from safetensors.torch import load_file

    part, whole = folder / PART, folder / WHOLE
    return load_file(whole if whole.exists() and not part.exists() else part)


def is_described(model: nn.Module) -> bool:
    """Whether transformers builds a model with the same tensors from the model's config alone."""
    import torch
    from transformers import PreTrainedModel

    if not isinstance(model, PreTrainedModel):
        return False
    with torch.device("meta"):
        twin = type(model)(copy.deepcopy(model.config))
    return _shapes(twin) == _shapes(model)


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors by name as safetensors."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path, metadata=metadata)


def kept_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters, tied ones once, and persistent buffers, by name."""
    kept = model.state_dict().keys()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in kept}
    return {**dict(model.named_parameters()), **buffers}
