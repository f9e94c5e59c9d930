"""Linear and dropout layers with faster CPU kernels than PyTorch's defaults."""

import torch
from torch import Tensor, nn

from bench.record.record import CpuKernel

LEVELS = 2**16


class CpuDropout(nn.Module):
    """``nn.Dropout`` with a probability rounded to a multiple of 2**-16.

    On CPUs other than Intel's, torch draws one random number per element in a single thread, which took 15 % of a
    MiniLM training step. Here one 64-bit draw of torch's seeded generator serves four elements.
    """

    def __init__(self, p: float) -> None:
        """Zero each element with probability ``p``, at least 0 and below 1."""
        super().__init__()
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        """Drop elements and scale the rest by 1 / (1 - p); in evaluation mode, return the values."""
        if not self.training or self.p == 0:
            return values
        count = values.numel()
        draws = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        bits = draws.view(torch.int16)[:count].view(values.shape)
        kept = bits >= round(self.p * LEVELS) - LEVELS // 2
        return values * kept.to(values.dtype).mul_(1 / (1 - self.p))


def replace_dropout(model: nn.Module) -> None:
    """Replace every ``nn.Dropout`` of a model on the CPU by ``CpuDropout``."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Dropout and child.p < 1 and not child.inplace:
                setattr(module, name, CpuDropout(child.p).train(child.training))


#: Rows for which the layout is tuned: 32 sequences of 25 tokens. It works for any number of rows.
TUNED_ROWS = 800


class PackedLinear(nn.Module):
    """``nn.Linear`` in bf16 for inference only, with a packed weight.

    ``nn.Linear`` passes a plain weight to oneDNN, which packs it in every call. The two operators of torch's compiler
    used here pack it once, which made MiniLM's predictions 1.14 times as fast.
    """

    weight: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        """Pack the weights of a bf16 layer."""
        super().__init__()
        packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), TUNED_ROWS)
        self.register_buffer("weight", packed, persistent=False)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, values: Tensor) -> Tensor:
        """Map (..., in_features) to (..., out_features)."""
        output: Tensor = torch.ops.mkldnn._linear_pointwise(values, self.weight, self.bias, "none", [], "")
        return output


def pack_linear_layers(model: nn.Module) -> None:
    """Replace every bf16 ``nn.Linear`` of a model on the CPU by ``PackedLinear``, if oneDNN supports bf16."""
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear and child.weight.dtype == torch.bfloat16:
                setattr(module, name, PackedLinear(child))


def own_kernels(model: nn.Module, *, training: bool) -> set[CpuKernel]:
    """The kernels of this file that a model uses: dropout in training, packed linear layers in inference."""
    if training:
        return {"dropout"} if any(isinstance(layer, CpuDropout) and layer.p for layer in model.modules()) else set()
    return {"packed linear layers"} if any(isinstance(layer, PackedLinear) for layer in model.modules()) else set()
