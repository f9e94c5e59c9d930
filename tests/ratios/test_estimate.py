"""The ratio of windows measured in turn: equal work, drift, few blocks, correlated blocks."""

import math

import numpy as np
import pytest

from bench.ratios.estimate import LEAST_BLOCKS, estimate, log_ratios
from bench.ratios.window import Window
from tests.known import known


def window(member: str, block: int, number: int, seconds: float, set_name: str = "b") -> Window:
    return Window(
        member=member, task="training", set=set_name, block=block, window=number, step_seconds=(seconds,), samples=32,
        tokens=100, padded_tokens=120, batches=str(number),
    )  # fmt: skip


def block_of(times: dict[str, tuple[float, float]], block: int = 0, set_name: str = "b") -> list[Window]:
    return [
        window(name, block, 2 * block + turn, seconds, set_name)
        for name, both in times.items()
        for turn, seconds in enumerate(both)
    ]


def test_a_method_twice_as_fast_has_the_ratio_two() -> None:
    assert log_ratios(block_of({"a": (2.0, 4.0), "b": (1.0, 2.0)}), "b", "a") == pytest.approx([math.log(2)])


def test_a_drift_that_is_linear_in_log_speed_cancels() -> None:
    """In the order A B C C B A everything is slower by 5 % in each turn."""
    turns = {"a": (0, 5), "b": (1, 4), "c": (2, 3)}
    times = {name: (1.05**first, 1.05**last) for name, (first, last) in turns.items()}
    for method in "bc":
        assert log_ratios(block_of(times), method, "a") == pytest.approx([0])


def test_a_block_with_one_window_of_a_method_does_not_count() -> None:
    windows = block_of({"a": (1.0, 1.0), "b": (1.0, 1.0)})[:-1]
    assert log_ratios(windows, "b", "a") == []


def test_a_method_is_compared_with_the_windows_of_its_own_set() -> None:
    windows = block_of({"a": (2.0, 2.0), "b": (1.0, 1.0)}) + block_of({"a": (3.0, 3.0), "c": (1.0, 1.0)}, set_name="c")
    assert log_ratios(windows, "b", "a") == pytest.approx([math.log(2)])
    assert log_ratios(windows, "c", "a") == pytest.approx([math.log(3)])


def test_few_blocks_have_no_interval() -> None:
    assert estimate([0.1] * (LEAST_BLOCKS - 1)) is None
    assert known(estimate([0.1] * LEAST_BLOCKS)).within_percent == 0


def test_the_interval_is_students() -> None:
    """t(0.975, 9) is 2.262 (Fisher and Yates); these values alternate, so that no correlation is above 0."""
    values = [0.4 + 0.01 * (-1) ** at for at in range(10)]
    found = known(estimate(values))
    margin = 2.262 * 0.01 * math.sqrt(10 / 9) / math.sqrt(10)
    assert found.autocorrelation < 0
    assert found.ratio == pytest.approx(math.exp(0.4))
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((0.4 - margin, 0.4 + margin), rel=1e-3)
    assert found.within_percent == pytest.approx(100 * math.expm1(margin), rel=1e-3)


def test_correlated_blocks_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    wandering = np.cumsum(rng.normal(0, 0.01, 40))
    shuffled = rng.permutation(wandering)
    assert known(estimate(list(wandering))).within_percent > 2 * known(estimate(list(shuffled))).within_percent
