"""Standard error of a rate within its cell, by hand."""

import numpy as np
import pytest

from bench.measure.block_bootstrap import block_steps, relative_standard_error
from tests.known import known


def error_of(seconds: list[float]) -> float:
    return known(relative_standard_error(seconds, [8] * len(seconds), [256] * len(seconds)))


@pytest.mark.parametrize(("steps", "block"), [(12, 4), (16, 4), (17, 5), (100, 10)])
def test_a_block_is_the_root_of_the_steps(steps: int, block: int) -> None:
    assert block_steps(steps) == block


def test_by_hand() -> None:
    """Sixteen steps in blocks of four: half take 1 s, then half 3 s, 32 s in all, so each is 1 s off its mean.

    Of thirteen blocks five are -4, then -2, 0, 2, and five are 4, whose mean square is (10 * 16 + 8) / 13. Four blocks
    make a pass, and 16 / 12 removes the bias.
    """
    wanted = np.sqrt(4 * (168 / 13) * 16 / 12) / 32
    assert error_of([1.0] * 8 + [3.0] * 8) == pytest.approx(wanted)


def test_is_what_draws_of_blocks_give() -> None:
    rng = np.random.default_rng(0)
    seconds, steps, block = 0.1 * rng.lognormal(0, 0.2, 64), 64, 8
    starts = rng.integers(0, steps - block + 1, (20_000, steps // block))
    drawn = seconds[(starts[:, :, None] + np.arange(block))].sum(axis=(1, 2))
    by_draws = drawn.std() / seconds.sum() * np.sqrt(steps / (steps - block))
    assert error_of(seconds.tolist()) == pytest.approx(by_draws, rel=0.02)


def test_what_sizes_explain_is_no_error() -> None:
    padded = [256 + 64 * (step % 7) for step in range(70)]
    seconds = [0.01 + tokens * 1e-4 for tokens in padded]
    assert known(relative_standard_error(seconds, [8] * 70, padded)) == pytest.approx(0, abs=1e-9)


def test_a_scale_of_the_times_changes_nothing() -> None:
    seconds = np.random.default_rng(1).lognormal(-3, 0.1, 50)
    assert error_of(seconds.tolist()) == pytest.approx(error_of((7 * seconds).tolist()))


def test_is_unknown_below_twelve_steps() -> None:
    assert relative_standard_error([0.1] * 11, [8] * 11, [64] * 11) is None
    assert relative_standard_error([0.0] * 12, [8] * 12, [64] * 12) is None
