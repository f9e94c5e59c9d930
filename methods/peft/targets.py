"""The layers that an adapter changes if the study names none."""

from typing import Any

from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING
from torch import nn

from methods._default_targets import default_targets

from . import config_class

#: Types that change normalisations and no linear layers.
OF_NORMS = frozenset({"LN_TUNING"})
#: The layers that peft knows by architecture, for types whose class does not name them.
KNOWN = {"IA3": TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING}


def choose(config: Any, model: nn.Module) -> None:
    """Name the target layers where peft knows none for this architecture.

    Args:
        config: config of the adapter; its ``target_modules`` are set.
        model: pretrained model.

    Raises:
        UnsupportedError: neither peft nor the structure of the model says which layers to take.
    """
    if getattr(config, "target_modules", ()) is not None or getattr(config, "target_parameters", None):
        return
    peft_type = config.peft_type.value
    known = getattr(config_class.tuner_class(peft_type), "target_module_mapping", None) or KNOWN.get(peft_type)
    model_type = str(getattr(getattr(model, "config", None), "model_type", None))
    if not known or model_type in known:
        return
    config.target_modules = norms(model) if peft_type in OF_NORMS else default_targets(model)
    if hasattr(config, "feedforward_modules") and config.feedforward_modules is None:
        config.feedforward_modules = []


def norms(model: nn.Module) -> list[str]:
    """Names of the normalisations with trainable scales."""
    return [
        name for name, module in model.named_modules()
        if "norm" in type(module).__name__.lower() and isinstance(getattr(module, "weight", None), nn.Parameter)
    ]  # fmt: skip
