"""P-Tuning: trained virtual tokens before the text (Liu et al. 2021, arXiv 2103.10385), with peft."""

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import peft
from pydantic import Field
from torch import nn

from bench.method import Architecture, Range, Task, fresh_layers
from bench.method import Options as BaseOptions
from methods._peft_adapter import PeftMethod
from methods._virtual_tokens import model_sizes, require_room, store_prompt, use_stored_prompt


class Options(BaseOptions):
    """Options of P-Tuning."""

    learning_rate: Annotated[float, Range(low=5e-4, high=1e-1, log=True)] = Field(
        5e-3, gt=0, description="peak learning rate of AdamW"
    )
    num_virtual_tokens: Annotated[int, Range(low=1, high=64, log=True)] = Field(
        20, ge=1, description="trained tokens before the text, which lengthen the sequence"
    )
    reparameterization: Literal["none", "mlp", "lstm"] = Field(
        "mlp", description="network over the virtual tokens' embeddings during training; none: no network"
    )
    hidden_size: int = Field(256, ge=1, description="width of the mlp or lstm")


class PTuning(PeftMethod):
    """Trains only virtual tokens and a copy of the head."""

    label = "P-Tuning"
    options_class = Options

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Wrap the model with peft.

        Raises:
            UnsupportedError: the model has too few positions, or its head needs token ids to recognise padding, but
                peft passes embeddings.
        """
        require_room(model, task, self.options.num_virtual_tokens)
        return cast(nn.Module, peft.get_peft_model(model, self._config(model)))

    def _config(self, model: nn.Module) -> peft.PromptTuningConfig | peft.PromptEncoderConfig:
        tokens, kind = self.options.num_virtual_tokens, self.options.reparameterization
        shape: dict[str, Any] = {
            "task_type": peft.TaskType.SEQ_CLS,
            "num_virtual_tokens": tokens,
            "modules_to_save": list(fresh_layers(model)) or None,
            **model_sizes(model),
        }
        if kind == "none":
            return peft.PromptTuningConfig(prompt_tuning_init=peft.PromptTuningInit.RANDOM, **shape)
        return peft.PromptEncoderConfig(
            encoder_reparameterization_type=peft.PromptEncoderReparameterizationType[kind.upper()],
            encoder_hidden_size=self.options.hidden_size,
            **shape,
        )

    def prepare_inference(self, model: nn.Module) -> nn.Module:
        """Compute the output of the mlp or lstm once and store it."""
        store_prompt(model)
        return model

    def artifact_elements(self, model: nn.Module) -> int:
        """Elements of the virtual tokens after the mlp or lstm, and of the head."""
        encoder = cast(peft.PeftModel, model).prompt_encoder["default"]
        tokens = cast(nn.Embedding, encoder.embedding).weight.numel()
        inside = sum(parameter.numel() for parameter in encoder.parameters() if parameter.requires_grad)
        return super().artifact_elements(model) - inside + tokens

    def load(self, model: nn.Module, folder: Path) -> nn.Module:
        """Load the virtual tokens and the head."""
        super().load(model, folder)
        use_stored_prompt(model)  # peft saves the output of the mlp or lstm
        return model

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The FLOPs of the plain model with the virtual tokens in the sequence, plus those of the mlp or lstm."""
        tokens, inner, outer = self.options.num_virtual_tokens, self.options.hidden_size, architecture.embedding_size
        multiply_adds_a_token: dict[str, int] = {
            "none": 0,
            "mlp": outer * inner + inner * inner + inner * outer,
            # Two bidirectional layers with four gates over input and state each, then two linear layers.
            "lstm": 2 * 4 * inner * ((outer + inner) + (2 * inner + inner)) + (2 * inner) ** 2 + 2 * inner * outer,
        }
        encoder: int = 2 * tokens * multiply_adds_a_token[self.options.reparameterization]
        return architecture.forward_flops(task.max_length + tokens) + encoder
