"""LoRA: low-rank updates beside frozen linear layers (Hu et al. 2021, arXiv 2106.09685), by way of peft."""

from pathlib import Path
from typing import cast

from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from pydantic import Field
from torch import nn

from bench.errors import UnsupportedError
from bench.method import Method, Task
from bench.method import Options as BaseOptions


class Options(BaseOptions):
    """Options of LoRA."""

    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    r: int = Field(8, ge=1, description="rank of the update")
    alpha: float = Field(16, gt=0, description="the update is scaled by alpha / r")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the update's input")
    target_modules: tuple[str, ...] | None = Field(
        None, min_length=1, description="names of the linear layers that get an update; absent: peft's choice"
    )
    merge: bool = Field(True, description="add the update into the weights before inference")


class LoRA(Method):
    """A low-rank update per chosen layer; the head is trained as a saved copy, and both copies count."""

    label = "LoRA"
    options_class = Options

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Wrap the model with peft."""
        del task
        targets = self.options.target_modules
        config = LoraConfig(
            task_type=TaskType.SEQ_CLS,
            r=self.options.r,
            lora_alpha=self.options.alpha,
            lora_dropout=self.options.dropout,
            target_modules=None if targets is None else list(targets),
        )
        try:
            return cast(nn.Module, get_peft_model(model, config))
        except ValueError as error:
            raise UnsupportedError(f"peft finds no layer to update (set target_modules): {error}") from error

    def prepare_inference(self, model: nn.Module) -> nn.Module:
        """Merge the update into the weights, which makes inference cost what the plain model costs."""
        return cast(PeftModel, model).merge_and_unload() if self.options.merge else model

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write the adapter in peft's own format."""
        cast(PeftModel, model).save_pretrained(str(folder), safe_serialization=True)

    def load(self, model: nn.Module, folder: Path) -> nn.Module:
        """Read the adapter back."""
        cast(PeftModel, model).load_adapter(str(folder), adapter_name="default", is_trainable=True)
        return model
