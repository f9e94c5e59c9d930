"""FLOPs at any length from three counts: exact for every method found."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoConfig

from bench.measure.flops.dispatched import count_forward, count_passes
from bench.measure.flops.lengths import FlopsByLength
from bench.method import Method, Task, registry
from bench.model.load import build

pytestmark = pytest.mark.usefixtures("one_thread")
FOUND = {name: plugin for name, plugin in registry.find().items() if not plugin.is_baseline}
TASK = Task(labels=("negative", "positive"), max_length=96, kind="encoder")
FITTED, OTHERS = (24, 48, 72), (1, 13, 64, 96)


def test_a_known_polynomial() -> None:
    found = FlopsByLength.through({length: 7 + 5 * length + 3 * length**2 for length in (10, 20, 30)})
    assert found.coefficients == pytest.approx((7, 5, 3))
    assert found.at(1.5) == pytest.approx(7 + 7.5 + 6.75)


@pytest.mark.parametrize("counts", [{}, {1: 1, 2: 2}, {1: 1, 2: 2, 3: 3, 4: 4}])
def test_other_than_three_counts_settle_no_polynomial(counts: dict[int, int]) -> None:
    with pytest.raises(ValueError, match=f"three counts, got {len(counts)}"):
        FlopsByLength.through(counts)


def test_large_counts_keep_their_digits() -> None:
    """Of RoBERTa-base, the linear part is 10^8 a token: the constant, 10^6, is still found to a thousandth."""
    found = FlopsByLength.through({length: 1_183_000 + 170_000_000 * length + 36_864 * length**2 for length in FITTED})
    assert found.coefficients == pytest.approx((1_183_000, 170_000_000, 36_864), rel=1e-3)


@pytest.mark.parametrize("name", FOUND)
def test_every_method_found_is_one(name: str, tiny_encoder: Path) -> None:
    method_class = registry.load(name, FOUND[name].path)
    if not method_class.supports("encoder"):
        pytest.skip("adapts no encoder")
    method = method_class(registry.options(name, method_class, {}))
    config = AutoConfig.from_pretrained(tiny_encoder, num_labels=2)
    with torch.device("meta"):
        twin = method.adapt(build(config, "encoder"), TASK)
    for count in counters(twin, method):
        found = FlopsByLength.through({length: count(length) for length in FITTED})
        for length in OTHERS:
            assert round(found.at(length)) == count(length), length


def counters(twin: nn.Module, method: Method) -> list[Callable[[int], int]]:
    def forward(length: int) -> int:
        return count_forward(twin, length).forward_flops

    return [forward, lambda length: count_passes(twin, length)[1]] if method.trains else [forward]
