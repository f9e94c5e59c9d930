"""What is kept of an adapted model, so that transformers and peft load it by themselves."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.sources import ModelSource

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Tensors that were trained, where the base model holds the rest; a whole model, by the name that transformers knows.
PART, WHOLE = "adapter.safetensors", "model.safetensors"
PEFT, CARD = "adapter_config.json", "README.md"


def save(model: nn.Module, folder: Path) -> None:
    """Write the trainable tensors of a model as safetensors.

    Where these are the whole model, and transformers builds it from its config, they are written as it reads them.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if trained.keys() == _state(model).keys() and is_described(model):
        _write(folder / WHOLE, trained, {"format": "pt"})
        model.config.save_pretrained(folder)  # type: ignore[union-attr,operator] # a model of transformers has one
    else:
        _write(folder / PART, trained)


def read(folder: Path) -> dict[str, Tensor]:
    """The tensors that ``save`` wrote, by name."""
    from safetensors.torch import load_file

    part, whole = folder / PART, folder / WHOLE
    return load_file(whole if whole.exists() and not part.exists() else part)


def is_described(model: nn.Module) -> bool:
    """Whether transformers, given the model's config alone, builds a model with the same tensors."""
    import torch
    from transformers import PreTrainedModel

    if not isinstance(model, PreTrainedModel):
        return False
    with torch.device("meta"):
        twin = type(model)(copy.deepcopy(model.config))
    return _shapes(twin) == _shapes(model)


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path, metadata=metadata)


def tidy(folder: Path, base: ModelSource) -> None:
    """Take out of what a method saved all that is of this machine alone.

    peft names the base model by the path of its folder, whose length would also count as the artifact's, and writes a
    blank card. A base model from the hub is named by its id there, any other not at all.
    """
    (folder / CARD).unlink(missing_ok=True)
    config = folder / PEFT
    if config.is_file():
        content = json.loads(config.read_text(encoding="utf-8"))
        content |= {"base_model_name_or_path": base.hub_id, "revision": base.revision if base.hub_id else None}
        config.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def complete(folder: Path, model: nn.Module, tokenizer: Any, labels: Sequence[str], base: ModelSource) -> None:
    """Add to what a method saved what a library needs to load it; see ``tidy``, which goes first.

    The tokenizer, and a config.json with the names of the classes; beside a part of a model that transformers can build
    the whole model in fp32. A model that it cannot build gets no config.json, which would have it build another one.

    Args:
        folder: that the method saved to.
        model: as it was trained.
        tokenizer: of the model.
        labels: class names by index.
        base: what the model was before.
    """
    tokenizer.save_pretrained(folder)
    described = is_described(model)
    if not described and not (folder / PEFT).is_file():
        return
    config: Any = copy.deepcopy(model.config)
    if base.kind == "encoder":
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
    if described:
        config.architectures = [type(model).__name__]
        config.dtype = "float32"
        if not (folder / WHOLE).is_file():
            whole = {
                name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in _state(model).items()
            }
            _write(folder / WHOLE, whole, {"format": "pt"})
    config.save_pretrained(folder)


def _state(model: nn.Module) -> dict[str, Tensor]:
    """Parameters, tied ones once, and the buffers that are kept."""
    kept = model.state_dict().keys()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in kept}
    return {**dict(model.named_parameters()), **buffers}
