"""LoRA: low-rank updates beside frozen linear layers (Hu et al. 2021, arXiv 2106.09685), with peft."""

from typing import Annotated, Literal

from peft import LoraConfig, TaskType
from pydantic import Field
from torch import nn

from bench.method import Architecture, ModelKind, Range, Task, fresh_layers
from bench.method import Options as BaseOptions
from methods._default_targets import QUERY_AND_VALUE, default_targets
from methods._peft_adapter import PeftMethod, is_quantized, merge, wrap

#: Classification heads by the end of their name; peft trains a copy of them and adds no update.
SAVED_COPIES = ("classifier", "score")


class Options(BaseOptions):
    """Options of LoRA."""

    learning_rate: Annotated[float, Range(low=1e-4, high=3e-2, log=True)] = Field(
        1e-3, gt=0, description="peak learning rate of AdamW"
    )
    r: Annotated[int, Range(low=1, high=64, log=True)] = Field(8, ge=1, description="rank of the update")
    alpha: float = Field(16, gt=0, description="the update is scaled by alpha / r")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the update's input")
    target_modules: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None,
        description="names of the linear layers with an update, or all-linear for all but the head; absent: query "
        "and value of self-attention, or all its linear layers where it has no such two",
    )
    merge: bool | None = Field(
        None,
        description="merge the update into the weights before inference; absent: unless they are quantised, because "
        "rounding again loses most of a small update",
    )


class LoRA(PeftMethod):
    """A low-rank update per target layer; the head is trained as a copy, and both copies count as parameters."""

    label = "LoRA"
    options_class = Options

    @classmethod
    def supports(cls, kind: ModelKind) -> bool:
        """Encoders and causal models."""
        return kind in ("encoder", "causal")

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Wrap the model with peft."""
        targets = self.options.target_modules or default_targets(model)
        config = LoraConfig(
            task_type=TaskType.SEQ_CLS if task.kind == "encoder" else TaskType.CAUSAL_LM, r=self.options.r,
            lora_alpha=self.options.alpha, lora_dropout=self.options.dropout,
            target_modules=targets if targets is None or isinstance(targets, str) else list(targets),
            modules_to_save=list(fresh_layers(model)) or None,
            exclude_modules=self._heads(model) if task.kind == "encoder" else None,
        )  # fmt: skip
        return wrap(model, config, "set target_modules")

    @staticmethod
    def _heads(model: nn.Module) -> list[str] | None:
        return [name for name, _ in model.named_modules() if name.endswith(SAVED_COPIES)] or None

    def prepare_inference(self, model: nn.Module) -> nn.Module:
        """Merge the update into the weights, so that inference costs as much as with the plain model."""
        wanted = not is_quantized(model) if self.options.merge is None else self.options.merge
        return merge(model) if wanted else model

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
