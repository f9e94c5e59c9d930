"""Complete what a method saved, so that transformers and peft load it by themselves."""

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
                name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in kept_tensors(model).items()
            }
            write_tensors(folder / WHOLE, whole, {"format": "pt"})
    config.save_pretrained(folder)
