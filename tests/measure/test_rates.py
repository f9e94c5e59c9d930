"""Spread of a rate within its cell, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.rates import within_cell
from bench.record.timings import WithinCell
from tests.known import known


def spread(samples: list[int], seconds: list[float]) -> WithinCell | None:
    return within_cell(seconds, samples, [2 * count for count in samples], [3 * count for count in samples])


@given(steps=st.integers(1, 500))
def test_windows_are_as_long_as_said(steps: int) -> None:
    found = known(spread([8] * steps, [0.5] * steps))
    assert found.windows == steps // found.window_steps
    assert (found.window_steps == 1) if steps < 40 else (20 <= found.windows < 40)
    ends = (found.p10_samples_per_second, found.p90_samples_per_second, found.p90_tokens_per_second)
    assert ends == ((16, 16, 32) if found.windows >= 10 else (None, None, None))
    assert found.relative_standard_error == (pytest.approx(0, abs=1e-9) if steps >= 12 else None)


def test_a_window_s_rate_is_its_amount_over_its_time() -> None:
    """Forty steps, two per window: 8 samples in 1 s and 8 in 3 s are 4 per second, not the mean of 8 and 2.67."""
    found = known(spread([8] * 40, [1.0, 3.0] * 20))
    assert (found.windows, found.window_steps) == (20, 2)
    assert (found.p10_samples_per_second, found.p90_samples_per_second) == (4, 4)


def test_percentiles_by_hand() -> None:
    """Eleven windows of 1 to 11 samples per second: the second and the tenth."""
    found = known(spread(list(range(1, 12)), [1.0] * 11))
    assert (found.p10_samples_per_second, found.p90_samples_per_second) == pytest.approx((2, 10))


def test_steps_that_make_no_whole_window_are_left_out() -> None:
    found = known(spread([8] * 44 + [800], [1.0] * 45))
    assert (found.windows, found.window_steps, found.p90_samples_per_second) == (22, 2, 8)


@pytest.mark.parametrize(("samples", "seconds"), [([], []), ([8], [0.0]), ([8, 8], [1.0, 0.0])])
def test_no_time_is_no_rate(samples: list[int], seconds: list[float]) -> None:
    assert spread(samples, seconds) is None
