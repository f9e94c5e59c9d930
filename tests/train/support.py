"""What tests of trainings share: methods, those that ship and a plain one, and an encoder with weights."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

from bench.method import Method, Task, registry

CPU = torch.device("cpu")
#: The methods that adapt models.
FOUND = {name: plugin for name, plugin in registry.find().items() if not plugin.is_baseline}
#: Names of the methods that train.
TRAINING = [name for name in FOUND if registry.load(name, FOUND[name].path).trains]


class Everything(Method):
    """Trains every weight."""

    label = "Everything"

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        return model.requires_grad_(True)


def shipped(name: str, **options: Any) -> Method:
    """A method that was found, by its name."""
    method = registry.load(name, FOUND[name].path)
    return method(registry.options(name, method, options))


def encoder(folder: Path, num_labels: int = 2) -> nn.Module:
    """The model of a folder; its head is drawn from one seed."""
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=num_labels)  # type: ignore[no-any-return]
