"""P-Tuning: trained virtual tokens before the text (Liu et al. 2021, arXiv 2103.10385), by way of peft."""

from pathlib import Path
from typing import Any, Literal, cast

import torch
from peft import (
    PeftModel,
    PromptEncoderConfig,
    PromptEncoderReparameterizationType,
    PromptTuningConfig,
    PromptTuningInit,
    TaskType,
    get_peft_model,
)
from pydantic import Field
from torch import nn

from bench.errors import UnsupportedError
from bench.method import Architecture, Method, Task, finds_last_token_by_id, fresh_layers, usable_positions
from bench.method import Options as BaseOptions


class Options(BaseOptions):
    """Options of P-Tuning."""

    learning_rate: float = Field(5e-3, gt=0, description="peak learning rate of AdamW")
    num_virtual_tokens: int = Field(20, ge=1, description="trained tokens before the text; they cost sequence length")
    reparameterization: Literal["none", "mlp", "lstm"] = Field(
        "mlp", description="what the virtual tokens' embeddings pass through while training; none: trained as they are"
    )
    hidden_size: int = Field(256, ge=1, description="width of that mlp or lstm")


class PTuning(Method):
    """Virtual tokens alone are trained, and the head as a saved copy."""

    label = "P-Tuning"
    options_class = Options

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Wrap the model with peft.

        Raises:
            UnsupportedError: the model has too few positions; or its head could not tell padding, since peft hands
                embeddings on and no token ids.
        """
        if finds_last_token_by_id(model):
            raise UnsupportedError(
                f"virtual tokens do not go with the classification head of {model.config.model_type}: it finds the "  # type: ignore[union-attr]
                "last token by its id, is given embeddings, and would read padding; take another method for this model"
            )
        positions = usable_positions(model)
        if positions is not None and task.max_length + self.options.num_virtual_tokens > positions:
            raise UnsupportedError(
                f"{self.options.num_virtual_tokens} virtual tokens and max_length {task.max_length} are more than the "
                f"model's {positions} positions; lower data.max_length or num_virtual_tokens"
            )
        return cast(nn.Module, get_peft_model(model, self._config(model)))

    def _config(self, model: nn.Module) -> PromptTuningConfig | PromptEncoderConfig:
        tokens, kind = self.options.num_virtual_tokens, self.options.reparameterization
        shape: dict[str, Any] = {
            "task_type": TaskType.SEQ_CLS,
            "num_virtual_tokens": tokens,
            "modules_to_save": list(fresh_layers(model)) or None,
            # peft would look for names that not every config has, and take hidden_size for the width of embeddings.
            "token_dim": cast(nn.Embedding, model.get_input_embeddings()).embedding_dim,  # type: ignore[operator]
            "num_layers": model.config.num_hidden_layers,  # type: ignore[union-attr]
            "num_attention_heads": model.config.num_attention_heads,  # type: ignore[union-attr]
        }
        if kind == "none":
            return PromptTuningConfig(prompt_tuning_init=PromptTuningInit.RANDOM, **shape)
        return PromptEncoderConfig(
            encoder_reparameterization_type=PromptEncoderReparameterizationType[kind.upper()],
            encoder_hidden_size=self.options.hidden_size,
            **shape,
        )

    def prepare_inference(self, model: nn.Module) -> nn.Module:
        """Send the virtual tokens through the mlp or lstm once and for all."""
        wrapped = cast(PeftModel, model)
        with torch.no_grad():
            prompt = wrapped.get_prompt_embedding_to_save("default")
            encoder = wrapped.prompt_encoder["default"]
            cast(nn.Embedding, encoder.embedding).weight.copy_(prompt)
        _use_embedding_as_is(wrapped)
        return model

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write the virtual tokens and the head in peft's own format."""
        cast(PeftModel, model).save_pretrained(str(folder), safe_serialization=True)

    def artifact_elements(self, model: nn.Module) -> int:
        """The virtual tokens as they come out of mlp or lstm, and the head."""
        encoder = cast(PeftModel, model).prompt_encoder["default"]
        tokens = cast(nn.Embedding, encoder.embedding).weight.numel()
        inside = sum(parameter.numel() for parameter in encoder.parameters() if parameter.requires_grad)
        return super().artifact_elements(model) - inside + tokens

    def load(self, model: nn.Module, folder: Path) -> nn.Module:
        """Read them back."""
        wrapped = cast(PeftModel, model)
        wrapped.load_adapter(str(folder), adapter_name="default", is_trainable=True)
        _use_embedding_as_is(wrapped)  # peft saves what comes out of the mlp or lstm
        return model

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The plain model on a sequence longer by the virtual tokens, and what these pass through before it."""
        tokens, inner, outer = self.options.num_virtual_tokens, self.options.hidden_size, architecture.embedding_size
        multiply_adds_a_token: dict[str, int] = {
            "none": 0,
            "mlp": outer * inner + inner * inner + inner * outer,
            # Two layers of four gates in both directions, each gate fed by input and state; then two linear layers.
            "lstm": 2 * 4 * inner * ((outer + inner) + (2 * inner + inner)) + (2 * inner) ** 2 + 2 * inner * outer,
        }
        encoder: int = 2 * tokens * multiply_adds_a_token[self.options.reparameterization]
        return architecture.forward_flops(task.max_length + tokens) + encoder


def _use_embedding_as_is(model: PeftModel) -> None:
    """In inference mode peft sends the embedding through no mlp or lstm."""
    model.peft_config["default"].inference_mode = True
