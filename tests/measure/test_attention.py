"""Attention kernels that ran, by the operators that PyTorch chose."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench.measure.attention import AttentionKernels


def heads(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.ones(2, 4, 8, 16, dtype=dtype, requires_grad=True)


def test_a_fused_kernel_is_named() -> None:
    kernels = AttentionKernels()
    with kernels.watch():
        query = heads()
        F.scaled_dot_product_attention(query, query, query).sum().backward()
    assert kernels.names == {"flash"}


def test_attention_that_is_taken_apart_is_math() -> None:
    kernels = AttentionKernels()
    with kernels.watch(), sdpa_kernel(SDPBackend.MATH):
        query = heads()
        F.scaled_dot_product_attention(query, query, query).sum().backward()
    assert kernels.names == {"math"}


def test_a_model_s_own_matmuls_are_eager() -> None:
    kernels = AttentionKernels()
    with kernels.watch():
        query = heads()
        (query @ query.transpose(-2, -1)).softmax(-1) @ query
    assert kernels.names == {"eager"}


@pytest.mark.parametrize(("operator", "name"), [("efficient", "efficient"), ("cudnn", "cudnn"), ("flash", "flash")])
def test_the_kernels_of_a_gpu_are_named(operator: str, name: str) -> None:
    """Without a GPU these kernels run on the meta device, which computes nothing."""
    query = heads().detach().to("meta")
    kernels = AttentionKernels()
    with kernels.watch():
        if operator == "flash":
            torch.ops.aten._scaled_dot_product_flash_attention(query, query, query)
        elif operator == "efficient":
            torch.ops.aten._scaled_dot_product_efficient_attention(query, query, query, None, True)
        else:
            torch.ops.aten._scaled_dot_product_cudnn_attention(query, query, query, None, True)
    assert kernels.names == {name}
