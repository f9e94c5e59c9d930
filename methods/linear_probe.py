"""Linear probe: the encoder stays frozen, and only its classification head is trained."""

from typing import Annotated

from pydantic import Field
from torch import nn

from bench.method import Architecture, Method, Range, Task, fresh_layers
from bench.method import Options as BaseOptions


class Options(BaseOptions):
    """Options of the linear probe."""

    learning_rate: Annotated[float, Range(low=5e-4, high=2e-1, log=True)] = Field(
        5e-3, gt=0, description="peak learning rate of AdamW"
    )


class LinearProbe(Method):
    """Trains the classification head on the frozen encoder's features."""

    label = "Linear probe"
    options_class = Options

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Freeze all but the head and the layers that the checkpoint lacks."""
        body = f"{getattr(model, 'base_model_prefix', '')}."
        fresh = set(fresh_layers(model))
        for name, parameter in model.named_parameters():
            drawn = name.rpartition(".")[0] in fresh
            parameter.requires_grad_(drawn or not name.startswith(body))
        return model

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The FLOPs of the plain model."""
        return architecture.forward_flops(task.max_length)
