"""LoRA: low-rank updates beside frozen linear layers (Hu et al. 2021, arXiv 2106.09685), by way of peft."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from pydantic import Field
from torch import nn

from bench.errors import UnsupportedError
from bench.method import Architecture, Method, ModelKind, Task, fresh_layers
from bench.method import Options as BaseOptions

#: Query and value where nobody says otherwise, as Hu et al. chose: by peft, and for what peft has no choice for, here.
QUERY_AND_VALUE: dict[str, Sequence[str]] = {
    "albert": ["query", "value"],
    "distilbert": ["q_lin", "v_lin"],
    "modernbert": ["Wqkv"],
    **TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING,
}
#: peft trains a saved copy of modules whose names end so, the heads of classifiers; they get no update.
SAVED_COPIES = ("classifier", "score")


class Options(BaseOptions):
    """Options of LoRA."""

    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    r: int = Field(8, ge=1, description="rank of the update")
    alpha: float = Field(16, gt=0, description="the update is scaled by alpha / r")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the update's input")
    target_modules: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None,
        description="names of the linear layers that get an update, or all-linear for each but the head; absent: "
        "query and value",
    )
    merge: bool | None = Field(
        None,
        description="add the update into the weights before inference; absent: unless they are quantised, since "
        "rounding them once more takes most of a small update away",
    )


class LoRA(Method):
    """A low-rank update per chosen layer; the head is trained as a saved copy, and both copies count."""

    label = "LoRA"
    options_class = Options

    @classmethod
    def supports(cls, kind: ModelKind) -> bool:
        """Encoders and causal models."""
        return kind in ("encoder", "causal")

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Wrap the model with peft."""
        model_type = getattr(getattr(model, "config", None), "model_type", None)
        targets = self.options.target_modules or QUERY_AND_VALUE.get(str(model_type))
        config = LoraConfig(
            task_type=TaskType.SEQ_CLS if task.kind == "encoder" else TaskType.CAUSAL_LM,
            r=self.options.r,
            lora_alpha=self.options.alpha,
            lora_dropout=self.options.dropout,
            target_modules=targets if targets is None or isinstance(targets, str) else list(targets),
            modules_to_save=list(fresh_layers(model)) or None,
            exclude_modules=self._heads(model) if task.kind == "encoder" else None,
        )
        try:
            with warnings.catch_warnings():
                # peft: merging would change both of two layers that share a weight. See _untie, which is done before.
                warnings.filterwarnings("ignore", "Model (with|has) `tie_word_embeddings=True`", UserWarning)
                return cast(nn.Module, get_peft_model(model, config))
        except (ValueError, TypeError) as error:  # the latter where a layer to update is also the head to save
            raise UnsupportedError(f"peft finds no layer to update (set target_modules): {error}") from error

    @staticmethod
    def _heads(model: nn.Module) -> list[str] | None:
        return [name for name, _ in model.named_modules() if name.endswith(SAVED_COPIES)] or None

    def prepare_inference(self, model: nn.Module) -> nn.Module:
        """Merge the update into the weights, which makes inference cost what the plain model costs."""
        quantized = any(not parameter.is_floating_point() for parameter in model.parameters())
        merge = not quantized if self.options.merge is None else self.options.merge
        if not merge:
            return model
        _untie(model)
        return cast(nn.Module, cast(PeftModel, model).merge_and_unload())

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write the adapter in peft's own format."""
        cast(PeftModel, model).save_pretrained(str(folder), safe_serialization=True)

    def load(self, model: nn.Module, folder: Path) -> nn.Module:
        """Read the adapter back."""
        cast(PeftModel, model).load_adapter(str(folder), adapter_name="default", is_trainable=True)
        return model

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The plain model, and 2 rows r (in + out) for the two factors of each layer with an update."""
        targets = self.options.target_modules or QUERY_AND_VALUE.get(architecture.model_type, [])
        layers = [layer for layer in architecture.linears if not layer.name.split(".")[0].endswith(SAVED_COPIES)]
        if targets == "all-linear":
            layers = [layer for layer in layers if layer.name != "lm_head" and not layer.is_convolution]
        else:
            layers = [layer for layer in layers if layer.is_called(targets)]
        rows_times_widths = sum(
            layer.total_rows(task.max_length) * (layer.in_features + layer.out_features) for layer in layers
        )
        update: int = 2 * self.options.r * rows_times_widths
        return architecture.forward_flops(task.max_length) + update


def _untie(model: nn.Module) -> None:
    """Give each layer that gets an update a weight of its own, where another layer shares it.

    A language head often shares the weight of the embeddings. Merged into that, an update of the one would be an update
    of both. The copy is part of the memory that inference is measured with.
    """
    for layer in [module for module in model.modules() if isinstance(module, BaseTunerLayer)]:
        base = layer.get_base_layer()
        weight = cast(nn.Parameter, base.weight)
        holders = sum(weight is held for module in model.modules() for held in module._parameters.values())
        if holders > 1:
            base.weight = nn.Parameter(weight.detach().clone(memory_format=torch.preserve_format), requires_grad=False)
            cast(Any, model).get_base_model().config.tie_word_embeddings = False
