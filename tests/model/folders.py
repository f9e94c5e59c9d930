"""Model folders in tests: as a study names them, loaded, and with a changed file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.model.load import fetch, load_config
from bench.model.weights import load_model
from bench.study.models import ModelSource


def source_of(folder: Path, **facts: Any) -> ModelSource:
    """An encoder with pretrained weights in a folder; ``facts`` say otherwise."""
    common: dict[str, Any] = {"name": "m", "label": "m", "kind": "encoder", "weights": "pretrained", "fingerprint": "f"}
    return ModelSource.model_validate(common | {"folder": str(folder)} | facts)


def load(source: ModelSource, num_labels: int = 2) -> nn.Module:
    """The model in fp32 on the CPU, checked as before a run."""
    folder = fetch(source)
    return load_model(source, folder, load_config(source, folder, num_labels), torch.float32, torch.device("cpu"))


def change_json(path: Path, change: Callable[[dict[str, Any]], object] | None = None, **values: Any) -> None:
    """Change the content of a file in place, and set values in it."""
    content = json.loads(path.read_text())
    if change is not None:
        change(content)
    path.write_text(json.dumps(content | values))
