"""LoRA: low-rank updates beside frozen linear layers (Hu et al. 2021, arXiv 2106.09685), with peft."""

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

#: Default targets, query and value as in Hu et al.: those of peft, and ours for architectures that peft lacks.
QUERY_AND_VALUE: dict[str, Sequence[str]] = {
    "albert": ["query", "value"], "distilbert": ["q_lin", "v_lin"], "modernbert": ["Wqkv"],
    **TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING,
}  # fmt: skip
#: Classification heads by the end of their name; peft trains a copy of them and adds no update.
SAVED_COPIES = ("classifier", "score")


class Options(BaseOptions):
    """Options of LoRA."""

    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    r: int = Field(8, ge=1, description="rank of the update")
    alpha: float = Field(16, gt=0, description="the update is scaled by alpha / r")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the update's input")
    target_modules: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None,
        description="names of the linear layers with an update, or all-linear for all but the head; absent: query "
        "and value",
    )
    merge: bool | None = Field(
        None,
        description="merge the update into the weights before inference; absent: unless they are quantised, because "
        "rounding again loses most of a small update",
    )


class LoRA(Method):
    """A low-rank update per target layer; the head is trained as a copy, and both copies count as parameters."""

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
            task_type=TaskType.SEQ_CLS if task.kind == "encoder" else TaskType.CAUSAL_LM, r=self.options.r,
            lora_alpha=self.options.alpha, lora_dropout=self.options.dropout,
            target_modules=targets if targets is None or isinstance(targets, str) else list(targets),
            modules_to_save=list(fresh_layers(model)) or None,
            exclude_modules=self._heads(model) if task.kind == "encoder" else None,
        )  # fmt: skip
        try:
            with warnings.catch_warnings():
                # peft warns that merging changes tied layers; _untie separates them before merging.
                warnings.filterwarnings("ignore", "Model (with|has) `tie_word_embeddings=True`", UserWarning)
                return cast(nn.Module, get_peft_model(model, config))
        except (ValueError, TypeError) as error:  # TypeError: a target layer is also the head
            raise UnsupportedError(f"peft finds no layer to update (set target_modules): {error}") from error

    @staticmethod
    def _heads(model: nn.Module) -> list[str] | None:
        return [name for name, _ in model.named_modules() if name.endswith(SAVED_COPIES)] or None

    def prepare_inference(self, model: nn.Module) -> nn.Module:
        """Merge the update into the weights, so that inference costs as much as with the plain model."""
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
        """Load the adapter."""
        cast(PeftModel, model).load_adapter(str(folder), adapter_name="default", is_trainable=True)
        return model

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The FLOPs of the plain model, plus 2 rows r (in + out) per layer with an update."""
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
    """Copy the weights that a layer with an update shares with another layer.

    A language head often shares the weight of the embeddings; merging its update would change both. The copy counts in
    the measured memory of inference.
    """
    for layer in [module for module in model.modules() if isinstance(module, BaseTunerLayer)]:
        base = layer.get_base_layer()
        weight = cast(nn.Parameter, base.weight)
        holders = sum(weight is held for module in model.modules() for held in module._parameters.values())
        if holders > 1:
            base.weight = nn.Parameter(weight.detach().clone(memory_format=torch.preserve_format), requires_grad=False)
            cast(Any, model).get_base_model().config.tie_word_embeddings = False
