"""The CPU layers compute what PyTorch's own compute, and a model's own kernels are those that it uses."""

import pytest
import torch
from torch import nn

from bench.model.cpu_layers import CpuDropout, PackedLinear, own_kernels, pack_linear_layers, replace_dropout
from tests.known import known

with_bf16 = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="oneDNN computes no bf16 on this machine"
)


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
def test_share_of_zeros_and_mean(p: float) -> None:
    torch.manual_seed(0)
    kept = CpuDropout(p).train()(torch.ones(1000, 1001))
    assert float((kept == 0).float().mean()) == pytest.approx(p, abs=0.002)
    assert float(kept.mean()) == pytest.approx(1, abs=0.01)


def test_elements_are_independent() -> None:
    torch.manual_seed(0)
    dropped = (CpuDropout(0.5).train()(torch.ones(1_000_000)) == 0).float() - 0.5
    for lag in (1, 2, 3, 4, 5, 8):  # four elements share one draw
        assert abs(float((dropped[lag:] * dropped[:-lag]).mean())) < 0.001


def test_gradient_is_that_of_the_kept_elements() -> None:
    values = torch.ones(1000, requires_grad=True)
    kept = CpuDropout(0.3).train()(values)
    kept.sum().backward()
    assert torch.equal(known(values.grad), kept.detach())


def test_a_seed_settles_it_and_evaluation_leaves_values_alone() -> None:
    layer, values = CpuDropout(0.1).train(), torch.ones(999)
    torch.manual_seed(7)
    first = layer(values)
    torch.manual_seed(7)
    assert torch.equal(layer(values), first)
    assert layer.eval()(values) is values


def test_replaces_every_plain_dropout_and_keeps_the_mode() -> None:
    model = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Dropout(0.2)), nn.Dropout(1.0)).eval()
    replace_dropout(model)
    layers = [module for module in model.modules() if not list(module.children())]
    assert [type(layer) for layer in layers] == [CpuDropout, CpuDropout, nn.Dropout]
    assert [layer.p for layer in layers] == [0.1, 0.2, 1.0]
    assert not any(layer.training for layer in layers)


@with_bf16
@pytest.mark.parametrize("shape", [(1, 48), (4, 7, 48), (2, 3, 5, 48)])
@pytest.mark.parametrize("bias", [True, False])
def test_same_output_as_linear(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(48, 96, bias=bias).bfloat16()
    values = torch.randn(*shape).bfloat16()
    torch.testing.assert_close(PackedLinear(linear)(values), linear(values))


@with_bf16
def test_only_bf16_linear_layers_are_replaced() -> None:
    model = nn.ModuleDict({"bf16": nn.Linear(8, 8).bfloat16(), "fp32": nn.Linear(8, 8), "norm": nn.LayerNorm(8)})
    assert own_kernels(model, training=False) == set()
    pack_linear_layers(model)
    assert [type(module) for module in model.values()] == [PackedLinear, nn.Linear, nn.LayerNorm]
    assert own_kernels(model, training=False) == {"packed linear layers"}


@pytest.mark.parametrize(("p", "used"), [(0.1, {"dropout"}), (0.0, set())])
def test_dropout_is_a_kernel_of_training_alone(p: float, used: set[str]) -> None:
    model = nn.Sequential(nn.Dropout(p))
    assert own_kernels(model, training=True) == set()
    replace_dropout(model)
    assert own_kernels(model, training=True) == used
    assert own_kernels(model, training=False) == set()
