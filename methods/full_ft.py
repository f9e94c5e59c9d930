"""Full fine-tuning: every parameter is trained."""

from torch import nn

from bench.method import Method, Task
from bench.method import Options as BaseOptions


class Options(BaseOptions):
    """Nothing beyond learning rate and weight decay."""


class FullFineTuning(Method):
    """The baseline that the other methods are compared with."""

    label = "Full FT"
    options_class = Options

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Train everything."""
        del task
        return model.requires_grad_(True)
