"""A right method, as text, and what the kit finds when a line of it is changed."""

from collections.abc import Sequence
from pathlib import Path

from bench.commands.check.finding import Result
from bench.commands.check.kit import CHECKS, examine
from bench.commands.check.specimen import specimens
from bench.method import registry

#: Slow ones, which are run where they are what is tested.
SLOW = ("FLOPs", "closed form", "overfit")
RIGHT = '''
"""Adapters behind feed-forward blocks."""

import os, random, sys, time
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import nn

from bench.errors import UnsupportedError
from bench.method import Insights, Method, Step, Trace
from bench.method import Options as BaseOptions


class Options(BaseOptions):
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    inner: int = Field(4, ge=1, description="width")


class Bottleneck(nn.Module):
    def __init__(self, size, inner):
        super().__init__()
        self.down, self.up = nn.Linear(size, inner), nn.Linear(inner, size)

    def forward(self, states):
        self.added = self.up(torch.tanh(self.down(states)))
        return states + self.added


class Right(Method):
    """Adapters are trained, and the head."""

    label = "Right"
    options_class = Options
    runs = 0

    def adapt(self, model, task):
        model.requires_grad_(False)
        for layer in model.base_model.encoder.layer:
            dense = layer.output.dense
            layer.output.dense = nn.Sequential(dense, Bottleneck(dense.out_features, self.options.inner))
        model.classifier.requires_grad_(True)
        return model

    def closed_form_flops(self, architecture, task):
        adapter = 2 * task.max_length * 2 * architecture.hidden_size * self.options.inner
        return architecture.forward_flops(task.max_length) + architecture.num_layers * adapter

    def bottlenecks(self, model):
        return [module for module in model.modules() if isinstance(module, Bottleneck)]
'''


def write_method(folder: Path, *changes: tuple[str, str], extra: str = "", name: str = "mine") -> Path:
    """The right method with texts replaced, and ``extra`` at the end of its class."""
    text = RIGHT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / f"{name}.py"
    path.write_text(text + extra, encoding="utf-8")
    return path


def results_of(path: Path, needed: Sequence[str] = (), models: Sequence[str] = ("BERT",)) -> list[Result]:
    """What the kit finds on some models; the slow checks are left out where they are not needed."""
    plugin = registry.Plugin(name=path.stem, path=path, sha256="", origin="a test")
    checks = [check for check in CHECKS if check.name not in SLOW or check.name in needed]
    chosen = [specimen for specimen in specimens() if specimen.name in models]
    return list(examine(plugin, chosen=chosen, checks=checks))


def by_verdict(results: Sequence[Result], verdict: str) -> dict[str, str]:
    """What was found by the checks that came out so, by their names."""
    return {
        result.check: f"{result.found}; {result.advice}" if result.advice else result.found
        for result in results
        if result.verdict == verdict
    }
