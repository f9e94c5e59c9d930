"""Optimizers by name: what each holds, and where it is refused."""

from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bench.errors import UnsupportedError
from bench.study.settings import TrainSettings
from bench.train import optimizers
from bench.train.optimizers import make_optimizer

EIGHT_BIT = TrainSettings(optimizer="adamw_8bit")
#: A block of 256 elements has a scale in fp32, for each of the two states.
LARGE, SMALL = (64, 65), (4095,)


def stepped(settings: TrainSettings, *shapes: tuple[int, ...], steps: int = 2) -> tuple[Any, list[nn.Parameter]]:
    """An optimizer after steps towards zero, and its parameters."""
    parameters = [nn.Parameter(torch.ones(shape)) for shape in shapes]
    optimizer = make_optimizer([{"params": parameters, "weight_decay": 0.1}], 1e-2, settings)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = parameter.detach().clone()
        optimizer.step()
    return optimizer, parameters


def state_bytes(optimizer: Any) -> int:
    states = [
        value for state in optimizer.state.values() for value in state.values() if isinstance(value, torch.Tensor)
    ]
    return sum({id(state.untyped_storage()): state.untyped_storage().nbytes() for state in states}.values())


def test_paging_needs_a_gpu_to_page_from() -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(2))]}]
    with pytest.raises(UnsupportedError, match=r'"paged_adamw" pages from a GPU; on a CPU set "adamw"'):
        make_optimizer(groups, 1e-3, TrainSettings(optimizer="paged_adamw"))


def test_the_state_of_8_bits_is_2_bytes_an_element_and_scales() -> None:
    optimizer, (large, small) = stepped(EIGHT_BIT, LARGE, SMALL)
    assert optimizer.state[large]["state1"].dtype == torch.uint8
    assert optimizer.state[small]["state1"].dtype == torch.float32, "below 4096 elements"
    tables, scales = 2 * 256 * 4, 2 * 17 * 4
    assert state_bytes(optimizer) == 2 * 64 * 65 + scales + tables + 8 * 4095


def test_8_bits_take_about_the_steps_of_adamw() -> None:
    (ours,), (theirs,) = (stepped(settings, LARGE, steps=30)[1] for settings in (EIGHT_BIT, TrainSettings()))
    assert float(ours.detach().mean()) < 0.8
    torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0)


def test_fake_parameters_have_the_state_of_real_ones() -> None:
    real = state_bytes(stepped(EIGHT_BIT, LARGE, SMALL)[0])
    with FakeTensorMode():
        assert state_bytes(stepped(EIGHT_BIT, LARGE, SMALL)[0]) == real


def test_a_library_without_the_operator_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "EIGHT_BIT_UPDATE", "bitsandbytes::gemm_4bit")
    with pytest.raises(UnsupportedError, match=r'adamw_8bit": bitsandbytes .* has no such update for cpu; upgrade it'):
        stepped(EIGHT_BIT, SMALL)
