"""Zero-shot: the model as it comes, asked for the label in words (Brown et al. 2020, arXiv 2005.14165)."""

from torch import nn

from bench.method import Architecture, Method, ModelKind, Task
from bench.method import Options as BaseOptions


class Options(BaseOptions):
    """Nothing is trained, so learning rate and weight decay have no effect."""


class ZeroShot(Method):
    """Trains nothing."""

    label = "Zero-shot"
    options_class = Options
    trains = False

    @classmethod
    def supports(cls, kind: ModelKind) -> bool:
        """Causal models alone: an encoder's new head knows nothing yet."""
        return kind == "causal"

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Freeze everything."""
        del task
        return model.requires_grad_(False)

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The plain model: no work is added."""
        return architecture.forward_flops(task.max_length)
