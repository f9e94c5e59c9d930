"""Dropout on the CPU with sixteen random bits an element."""

import torch
from torch import Tensor, nn

LEVELS = 2**16


class CpuDropout(nn.Module):
    """The function of ``nn.Dropout``, its probability rounded to a multiple of 2**-16.

    On a CPU that is not Intel's, torch draws one full random number for each element, in one thread; that took 15 %
    of a MiniLM training step. One 64-bit draw serves four elements here. The draws are torch's own, so a
    seed still settles everything.
    """

    def __init__(self, p: float) -> None:
        """Zero an element with probability ``p``, at least 0 and below 1."""
        super().__init__()
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        """Drop elements and scale the rest by 1 / (1 - p); in evaluation, return the values."""
        if not self.training or self.p == 0:
            return values
        count = values.numel()
        draws = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        bits = draws.view(torch.int16)[:count].view(values.shape)
        kept = bits >= round(self.p * LEVELS) - LEVELS // 2
        return values * kept.to(values.dtype).mul_(1 / (1 - self.p))


def replace_dropout(model: nn.Module) -> None:
    """Put ``CpuDropout`` in place of every ``nn.Dropout`` of a model on the CPU."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Dropout and child.p < 1 and not child.inplace:
                setattr(module, name, CpuDropout(child.p).train(child.training))
