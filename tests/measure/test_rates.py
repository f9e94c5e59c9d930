"""Rates with their intervals, against published tables and worked examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.rates import latency, median_interval, windowed_rate
from tests.known import known

#: Critical values of the sign test, two-sided at 5 %, by n (Dixon and Mood, The Statistical Sign Test, Journal of the
#: American Statistical Association 41, 1946): the ends of the interval are the next ranks, counted from either side.
SIGN_TEST = {
    6: 0, 7: 0, 8: 0, 9: 1, 10: 1, 11: 1, 12: 2, 13: 2, 14: 2, 15: 3, 16: 3, 17: 4, 18: 4, 19: 4, 20: 5, 21: 5, 22: 5,
    23: 6, 24: 6, 25: 7,
}  # fmt: skip


class TestMedianInterval:
    @pytest.mark.parametrize(("count", "critical"), SIGN_TEST.items())
    def test_ranks_as_published(self, count: int, critical: int) -> None:
        assert median_interval([float(rank) for rank in range(1, count + 1)]) == (critical + 1, count - critical)

    def test_worked_example(self) -> None:
        """Example of ci.median in the R package statpsych, after Snedecor and Cochran, Statistical Methods."""
        values = [
            30.2, 20.4, 15.1, 10.2, 10.5, 60.8, 20.8, 25.0, 20.7, 30.9, 10.8, 5.1, 50.9, 40.0, 20.9, 10.8, 0, 20.5,
            50.8,
        ]  # fmt: skip
        assert median_interval(sorted(values)) == (10.8, 30.9)

    @pytest.mark.parametrize("count", range(6))
    def test_is_unknown_below_six_values(self, count: int) -> None:
        assert median_interval([1.0] * count) == (None, None)

    @pytest.mark.parametrize(("count", "level"), [(6, 0.969), (10, 0.979), (20, 0.959), (25, 0.957)])
    def test_covers_the_median_as_often_as_published(self, count: int, level: float) -> None:
        """A skewed distribution with median 1; 4,000 draws give a share to within 0.01."""
        draws = np.sort(np.random.default_rng(count).lognormal(0, 1, (4000, count)), axis=1)
        intervals = [median_interval(row) for row in draws.tolist()]
        covered = sum(low is not None and high is not None and low <= 1 <= high for low, high in intervals)
        assert covered / 4000 == pytest.approx(level, abs=0.01)


class TestWindowedRate:
    @given(steps=st.integers(1, 500))
    def test_windows_are_as_long_as_said(self, steps: int) -> None:
        found = known(windowed_rate([8] * steps, [0.5] * steps))
        assert (found.median, found.windows) == (16, steps // found.window_steps)
        assert (found.window_steps == 1) if steps < 40 else (20 <= found.windows < 40)
        assert (found.low, found.high) == ((16, 16) if found.windows >= 6 else (None, None))

    def test_a_window_s_rate_is_its_amount_over_its_time(self) -> None:
        """Forty steps, two per window: 8 samples in 1 s and 8 in 3 s are 4 per second, not the mean of 8 and 2.67."""
        found = known(windowed_rate([8] * 40, [1.0, 3.0] * 20))
        assert (found.windows, found.window_steps, found.median, found.low, found.high) == (20, 2, 4, 4, 4)

    def test_interval_by_hand(self) -> None:
        """Ten windows of 1 to 10 samples per second: ranks 2 and 9."""
        found = known(windowed_rate(list(range(1, 11)), [1.0] * 10))
        assert (found.median, found.low, found.high) == (5.5, 2, 9)

    def test_a_few_disturbed_steps_move_it_less_than_the_total(self) -> None:
        seconds = [0.1] * 40
        seconds[3] = seconds[20] = 5.0
        assert known(windowed_rate([8] * 40, seconds)).median == pytest.approx(80)
        assert 8 * 40 / sum(seconds) < 25

    def test_steps_that_make_no_whole_window_are_left_out(self) -> None:
        found = known(windowed_rate([8] * 44 + [800], [1.0] * 45))
        assert (found.windows, found.window_steps, found.high) == (22, 2, 8)

    @pytest.mark.parametrize(("amounts", "seconds"), [([], []), ([8], [0.0]), ([8, 8], [1.0, 0.0])])
    def test_no_time_is_no_rate(self, amounts: list[int], seconds: list[float]) -> None:
        assert windowed_rate(amounts, seconds) is None


class TestLatency:
    def test_percentiles_of_known_times(self) -> None:
        found = latency(4, [(number + 1) / 1000 for number in np.random.default_rng(0).permutation(101)])
        assert (found.batch_size, found.timed_batches) == (4, 101)
        assert found.p50_seconds == pytest.approx(0.051)
        assert found.p90_seconds == pytest.approx(0.091)
        assert found.p99_seconds == pytest.approx(0.100)

    @pytest.mark.parametrize(("batches", "known"), [(99, False), (100, True)])
    def test_the_last_percentile_needs_a_hundred(self, batches: int, known: bool) -> None:
        assert (latency(1, [0.1] * batches).p99_seconds is not None) is known
