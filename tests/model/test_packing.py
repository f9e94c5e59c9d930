"""Packed linear layers compute what plain ones compute."""

import pytest
import torch
from torch import nn

from bench.model.cpu_layers import PackedLinear, pack_linear_layers

pytestmark = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="oneDNN computes no bf16 on this machine"
)


@pytest.mark.parametrize("shape", [(1, 48), (4, 7, 48), (2, 3, 5, 48)])
@pytest.mark.parametrize("bias", [True, False])
def test_same_output_as_linear(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(48, 96, bias=bias).bfloat16()
    values = torch.randn(*shape).bfloat16()
    torch.testing.assert_close(PackedLinear(linear)(values), linear(values))


def test_only_bf16_linear_layers_are_replaced() -> None:
    model = nn.ModuleDict({"bf16": nn.Linear(8, 8).bfloat16(), "fp32": nn.Linear(8, 8), "norm": nn.LayerNorm(8)})
    pack_linear_layers(model)
    assert [type(module) for module in model.values()] == [PackedLinear, nn.Linear, nn.LayerNorm]
