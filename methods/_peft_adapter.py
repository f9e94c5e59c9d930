"""Adapters of peft, as several methods use them: wrapping, saving, loading and merging."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import peft
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import ModulesToSaveWrapper
from torch import nn

from bench.errors import UnsupportedError
from bench.method import Method

#: Name that peft gives to the only adapter of a model.
ADAPTER = "default"
#: peft warns that merging changes tied layers; ``untie`` separates them before merging.
TIED = "Model (with|has) `tie_word_embeddings=True`"


class PeftMethod(Method):
    """Base of the methods whose artifact is an adapter in peft's own format."""

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write the adapter in peft's own format.

        No method changes the vocabulary, so the embeddings are left out; peft would otherwise ask the hub about them.
        """
        cast(peft.PeftModel, model).save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)

    def load(self, model: nn.Module, folder: Path) -> nn.Module:
        """Load the adapter."""
        cast(peft.PeftModel, model).load_adapter(str(folder), adapter_name=ADAPTER, is_trainable=True)
        return model

    def choices(self, model: nn.Module) -> dict[str, Any]:
        """The names of the layers with an update, which a default may have taken."""
        targets = getattr(cast(peft.PeftModel, model).peft_config[ADAPTER], "target_modules", None) or ()
        names = [targets] if isinstance(targets, str) else sorted(map(str, targets))
        return {"target_modules": names} if names else {}


def wrap(model: nn.Module, config: peft.PeftConfig, advice: str) -> nn.Module:
    """The model with an adapter.

    Args:
        model: pretrained model, changed in place.
        config: config of the adapter.
        advice: what to do if peft refuses.

    Raises:
        UnsupportedError: peft cannot adapt this model so.
    """
    try:
        with warnings.catch_warnings(), _kept_environment():
            warnings.filterwarnings("ignore", TIED, UserWarning)
            return cast(nn.Module, peft.get_peft_model(model, config))
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # each of peft's types raises errors of its own
        said = str(error) or type(error).__name__
        raise UnsupportedError(f"peft {peft.__version__} cannot adapt this model ({advice}): {said}") from error


@contextmanager
def _kept_environment() -> Iterator[None]:
    """Restore the environment, in which peft leaves the names of compilers if an extension does not compile."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def is_quantized(model: nn.Module) -> bool:
    """Whether weights are stored in 4 or 8 bits."""
    return any(not parameter.is_floating_point() for parameter in model.parameters())


def merge(model: nn.Module) -> nn.Module:
    """The model with the adapter merged into its weights."""
    untie(model)
    for path, module in list(model.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):  # some of peft's types cannot put back a head of several layers
            model.set_submodule(path, module.modules_to_save[ADAPTER])
    return cast(nn.Module, cast(peft.PeftModel, model).merge_and_unload())


def untie(model: nn.Module) -> None:
    """Copy the weights that a layer with an update shares with another layer.

    A language head often shares the weight of the embeddings; merging its update would change both. The copy counts in
    the measured memory of inference.
    """
    for layer in [module for module in model.modules() if isinstance(module, BaseTunerLayer)]:
        base = layer.get_base_layer()
        weight = getattr(base, "weight", None)
        holders = sum(weight is held for module in model.modules() for held in module._parameters.values())
        if weight is not None and holders > 1:
            base.weight = nn.Parameter(weight.detach().clone(memory_format=torch.preserve_format), requires_grad=False)
            cast(Any, model).get_base_model().config.tie_word_embeddings = False
