"""BitFit: only the bias terms are trained (Ben Zaken, Goldberg, Ravfogel 2022, arXiv 2106.10199)."""

from typing import Annotated

from pydantic import Field
from torch import nn

from bench.errors import UnsupportedError
from bench.method import Architecture, Method, Range, Task, fresh_layers
from bench.method import Options as BaseOptions

HEADS = ("classifier", "pre_classifier", "score")


class Options(BaseOptions):
    """Options of BitFit."""

    learning_rate: Annotated[float, Range(low=1e-4, high=3e-2, log=True)] = Field(
        2e-3, gt=0, description="peak learning rate of AdamW"
    )
    train_head: bool = Field(
        True,
        description="train the classification head's weights too, as the paper does; the published study kept their "
        "random initial values",
    )


class BitFit(Method):
    """Trains every parameter whose name ends in ``bias``, and the classification head."""

    label = "BitFit"
    options_class = Options

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Freeze all but the biases and, with ``train_head``, the head and the layers that the checkpoint lacks."""
        biases = 0
        fresh = set(fresh_layers(model))
        for name, parameter in model.named_parameters():
            is_bias = name.endswith("bias")
            drawn = name.split(".")[0] in HEADS or name.rpartition(".")[0] in fresh
            parameter.requires_grad_(is_bias or (drawn and self.options.train_head))
            biases += is_bias and name.split(".")[0] not in HEADS
        if not biases:
            raise UnsupportedError("the model's body has no bias terms, so BitFit has nothing to train")
        return model

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The FLOPs of the plain model."""
        return architecture.forward_flops(task.max_length)
