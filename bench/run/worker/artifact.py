"""Complete a saved artifact, so that transformers and peft can load it."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.study.models import ModelSource

if TYPE_CHECKING:
    from torch import nn
from bench.method.artifact import CARD, PEFT, WHOLE, is_described, kept_tensors, write_tensors


def tidy(folder: Path, base: ModelSource) -> None:
    """Remove everything specific to this machine from an artifact.

    peft stores the path of the base model, whose length would change the artifact's size, and writes an empty model
    card. The path is replaced by the hub id, or removed if the base model has none.
    """
    (folder / CARD).unlink(missing_ok=True)
    config = folder / PEFT
    if config.is_file():
        content = json.loads(config.read_text(encoding="utf-8"))
        content |= {"base_model_name_or_path": base.hub_id, "revision": base.revision if base.hub_id else None}
        config.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def complete(folder: Path, model: nn.Module, tokenizer: Any, labels: Sequence[str], base: ModelSource) -> None:
    """Add the files that a library needs to load an artifact; ``tidy`` must be called first.

    These are the tokenizer and a config.json with the class names, and, if only a part of a model that transformers can
    build was saved, the whole model in fp32. A model that transformers cannot build gets no config.json, from which it
    would build another model.

    Args:
        folder: folder of the artifact.
        model: trained model.
        tokenizer: tokenizer of the model.
        labels: class names by index.
        base: source of the base model.
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
                name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in kept_tensors(model).items()
            }
            write_tensors(folder / WHOLE, whole, {"format": "pt"})
    config.save_pretrained(folder)
