"""Percentiles with their intervals, against published tables, worked examples and simulations."""

import numpy as np
import pytest

from bench.measure.percentiles import latency, quantile_interval
from tests.known import known

#: Critical values of the sign test, two-sided at 5 %, by n (Dixon and Mood, The Statistical Sign Test, Journal of the
#: American Statistical Association 41, 1946): the ends of the interval are the next ranks, counted from either side.
SIGN_TEST = {
    6: 0, 7: 0, 8: 0, 9: 1, 10: 1, 11: 1, 12: 2, 13: 2, 14: 2, 15: 3, 16: 3, 17: 4, 18: 4, 19: 4, 20: 5, 21: 5, 22: 5,
    23: 6, 24: 6, 25: 7,
}  # fmt: skip


class TestMedian:
    @pytest.mark.parametrize(("count", "critical"), SIGN_TEST.items())
    def test_ranks_as_published(self, count: int, critical: int) -> None:
        ranks = [float(rank) for rank in range(1, count + 1)]
        assert quantile_interval(ranks, 0.5) == (critical + 1, count - critical)

    def test_worked_example(self) -> None:
        """Example of ci.median in the R package statpsych, after Snedecor and Cochran, Statistical Methods."""
        values = [
            30.2, 20.4, 15.1, 10.2, 10.5, 60.8, 20.8, 25.0, 20.7, 30.9, 10.8, 5.1, 50.9, 40.0, 20.9, 10.8, 0, 20.5,
            50.8,
        ]  # fmt: skip
        assert quantile_interval(sorted(values), 0.5) == (10.8, 30.9)

    @pytest.mark.parametrize("count", range(6))
    def test_is_unknown_below_six_values(self, count: int) -> None:
        assert quantile_interval([1.0] * count, 0.5) is None


class TestQuantile:
    @pytest.mark.parametrize(("quantile", "least"), [(0.9, 29), (0.99, 299)])
    def test_exists_from_the_number_of_values_by_arithmetic(self, quantile: float, least: int) -> None:
        """The largest of n values lies below the quantile with a probability of q to the power n: at most 5 %."""
        assert quantile**least <= 0.05 < quantile ** (least - 1)
        assert quantile_interval(list(range(least - 1)), quantile) is None
        assert known(quantile_interval(list(range(least)), quantile))[1] == least - 1

    def test_ranks_of_a_hundred_by_the_binomial_distribution(self) -> None:
        """Binomial of 100 trials with 0.9: at most 83 with 2.1 %, at most 84 with 4.0 %; 96 or more with 2.4 %."""
        ranks = list(range(1, 101))
        assert quantile_interval(ranks, 0.9) == (84, 96)

    @pytest.mark.parametrize(("quantile", "count"), [(0.5, 20), (0.9, 30), (0.9, 120), (0.99, 299), (0.99, 600)])
    def test_covers_the_quantile_of_a_skewed_distribution(self, quantile: float, count: int) -> None:
        draws = np.sort(np.random.default_rng(count).exponential(1, (2000, count)), axis=1)
        true = -np.log(1 - quantile)
        intervals = [known(quantile_interval(row, quantile)) for row in draws.tolist()]
        covered = np.mean([low <= true <= high for low, high in intervals])
        assert covered >= 0.95 - 0.015


class TestLatency:
    def test_percentiles_of_known_times(self) -> None:
        found = latency(4, [(number + 1) / 1000 for number in np.random.default_rng(0).permutation(301)])
        assert (found.batch_size, found.timed_batches) == (4, 301)
        assert found.p50_seconds == pytest.approx(0.151)
        assert found.p90_seconds == pytest.approx(0.271)
        assert found.p99_seconds == pytest.approx(0.298)
        assert known(found.p90_interval_seconds)[0] < 0.271 < known(found.p90_interval_seconds)[1]
        assert known(found.p99_interval_seconds)[1] == 0.301

    @pytest.mark.parametrize(
        ("batches", "p90", "p99"), [(1, False, False), (29, False, False), (30, True, False), (299, True, True)]
    )
    def test_each_percentile_needs_its_batches(self, batches: int, p90: bool, p99: bool) -> None:
        found = latency(1, [0.1] * batches)
        assert ((found.p90_seconds is not None), (found.p99_seconds is not None)) == (p90, p99)
        assert ((found.p90_interval_seconds is not None), (found.p99_interval_seconds is not None)) == (p90, p99)
        assert (found.p50_interval_seconds is not None) == (batches >= 6)
