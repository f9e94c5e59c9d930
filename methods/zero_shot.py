"""Zero-shot: the unchanged model is prompted for the label (Brown et al. 2020, arXiv 2005.14165)."""

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
        """Causal models only, because an encoder's new head is untrained."""
        return kind == "causal"

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Freeze everything."""
        return model.requires_grad_(False)

    def closed_form_flops(self, architecture: Architecture, task: Task) -> int:
        """The FLOPs of the plain model."""
        return architecture.forward_flops(task.max_length)
