"""What one type of the installed peft does on a tiny model: trains, is saved, is read by peft alone, and is merged."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
from torch import nn

from bench.commands.check.specimen import Specimen, specimens
from bench.commands.check.subject import Subject, distance
from bench.errors import UnsupportedError
from bench.method import registry
from bench.model.quantization import allow_cpu_layout, quantize_linear_layers
from tests.train.support import FOUND

#: Kinds of model in the table, and the models that stand for each.
MODELS = {"encoder": ("BERT", "RoBERTa"), "causal": ("Llama",), "4-bit": ("Llama in 4 bits",)}
#: Options without which a type has nothing to train, or does not fit the tiny models.
NEEDED: dict[str, dict[str, Any]] = {
    "C3A": {"block_size": 16},
    "FOURIERFT": {"n_frequency": 200},
    "MISS": {"r": 8},
    "PSOFT": {"r": 8},
    "ROAD": {"group_size": 8},
    "SHIRA": {"r": 4},
    "TRAINABLE_TOKENS": {"token_indices": [*range(10, 64)], "learning_rate": 1e-2},
    "VBLORA": {"vector_length": 16, "num_vectors": 32},
    "WAVEFT": {"n_frequency": 100, "use_idwt": False},
}
#: Variants of LoRA that are tested beside the types.
LORA_VARIANTS: dict[str, dict[str, Any]] = {
    "DoRA": {"use_dora": True},
    "rsLoRA": {"use_rslora": True},
    "PiSSA": {"init_lora_weights": "pissa"},
    "OLoRA": {"init_lora_weights": "olora"},
    "EVA": {"init_lora_weights": "eva", "eva_config": {"rho": 1.0}},
    "LoRA+": {"loraplus_lr_ratio": 16.0},
}
#: Largest difference between scores, as a fraction of the largest score.
SAME_FRACTION = 1e-4


class Quantized(Specimen):
    """A specimen whose linear layers are stored in 4 bits (NF4)."""

    def build(self, dtype: torch.dtype = torch.float32, dropout: bool = True) -> nn.Module:
        return _in_4_bits(super().build(dtype, dropout))

    def skeleton(self) -> nn.Module:
        return _in_4_bits(super().skeleton())


def _in_4_bits(model: nn.Module) -> nn.Module:
    quantize_linear_layers(model, torch.float32, 4)
    allow_cpu_layout(model, False)
    return model


def models(kind: str) -> list[Specimen]:
    """The tiny models of a kind."""
    made = {specimen.name: specimen for specimen in specimens()}
    llama = made["Llama"]
    made["Llama in 4 bits"] = Quantized(name="Llama in 4 bits", kind=llama.kind, config=llama.config)
    return [made[name] for name in MODELS[kind]]


@dataclass(frozen=True, slots=True)
class Trial:
    """The outcome on one model.

    Attributes:
        reason: why it does not work; empty if it does.
        merges: whether the model prepared for inference has no adapter any more.
    """

    reason: str
    merges: bool = False


def subject(options: Mapping[str, Any], specimen: Specimen) -> Subject:
    """The method with these options, on a tiny model."""
    return Subject(
        name="peft", method_class=registry.load("peft", FOUND["peft"].path), options=dict(options), specimen=specimen
    )


def attempt(options: Mapping[str, Any], specimen: Specimen) -> Trial:
    """Train, save, read in peft alone, and merge.

    Raises:
        AssertionError: it trains, but the artifact or the merged model gives other scores.
    """
    tried = subject(options, specimen)
    try:
        adapted = tried.shifted()
    except UnsupportedError as error:
        return Trial(str(error))
    wanted = tried.scores(adapted.model)
    with tempfile.TemporaryDirectory() as name:
        adapted.method.save(adapted.model, Path(name))
        read = peft.PeftModel.from_pretrained(specimen.build(), name).eval()
        _name_the_task(read)
        off = distance(tried.scores(read), wanted)
    assert off < SAME_FRACTION, f"peft alone reads other scores from the artifact, off by {off:.2g} of the largest"
    deployed = adapted.method.prepare_inference(adapted.model).eval()
    off = distance(tried.scores(deployed), wanted)
    assert off < SAME_FRACTION, f"the model prepared for inference gives other scores, off by {off:.2g} of the largest"
    return Trial("", merges=not isinstance(deployed, peft.PeftModel))


def _name_the_task(model: Any) -> None:
    """Pass the only task's number, as the method does, to types that learn several tasks."""
    config = model.peft_config["default"]
    if hasattr(config, "num_tasks"):
        model.register_forward_pre_hook(
            lambda _, args, kwargs: (
                args,
                kwargs | {"task_ids": kwargs["input_ids"].new_zeros(len(kwargs["input_ids"]))},
            ),
            with_kwargs=True,
        )
