"""Full fine-tuning: every parameter is trained."""

from torch import nn

from bench.errors import UnsupportedError
from bench.method import Architecture, Method, ModelKind, Task
from bench.method import Options as BaseOptions


class Options(BaseOptions):
    """Learning rate and weight decay."""


class FullFineTuning(Method):
    """The baseline that the other methods are compared with."""

    label = "Full FT"
    options_class = Options

    @classmethod
    def supports(cls, kind: ModelKind) -> bool:
        """Encoders, and causal models that are not quantised."""
        return kind in ("encoder", "causal")

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Train everything.

        Raises:
            UnsupportedError: weights are quantised to 4 or 8 bits and have no gradient.
        """
        if not all(parameter.is_floating_point() for parameter in model.parameters()):
            raise UnsupportedError("full fine-tuning cannot train quantised weights; set bits = 16")
        return model.requires_grad_(True)

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The FLOPs of the plain model."""
        return architecture.forward_flops(task.max_length)
