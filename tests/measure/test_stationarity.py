"""Step times that become steady, drift, are disturbed, or only follow the sizes of their batches."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.measure.stationarity import WARMUP_WINDOW_STEPS, drift, warmed_up
from tests.known import known

STEPS = 40
SAMPLES = [8] * STEPS
PADDED = [8 * length for length in np.random.default_rng(0).integers(8, 60, STEPS).tolist()]


def windows(u: int) -> list[float]:
    """Times of two windows of eight steps, with the earlier step faster in u of the 64 pairs: U is u."""
    below = [min(WARMUP_WINDOW_STEPS, max(0, u - WARMUP_WINDOW_STEPS * row)) for row in range(WARMUP_WINDOW_STEPS)]
    earlier = [WARMUP_WINDOW_STEPS - count + 0.5 + row / 100 for row, count in enumerate(below)]
    return [*earlier, *map(float, range(1, WARMUP_WINDOW_STEPS + 1))]


def explained(padded: Sequence[int], samples: Sequence[int]) -> NDArray[np.float64]:
    """Seconds by size: a constant, a term per token, and a term per pair of tokens of a sequence."""
    tokens = np.array(padded, dtype=np.float64)
    seconds: NDArray[np.float64] = 2e-3 + 1e-5 * tokens + 3e-8 * tokens**2 / np.array(samples)
    return seconds


class TestWarmedUp:
    @pytest.mark.parametrize(("u", "over"), [(0, False), (15, False), (16, True), (32, True), (64, True)])
    def test_published_critical_value(self, u: int, over: bool) -> None:
        """The critical value for 8 against 8, one-sided at 5 %, is 15, as in Mann and Whitney's table."""
        assert warmed_up(windows(u), [1] * 16) is over

    def test_slow_steps_at_the_start_are_seen_and_then_forgotten(self) -> None:
        rng = np.random.default_rng(1)
        seconds = (np.concatenate([np.full(8, 0.2), np.full(32, 0.1)]) * rng.uniform(0.97, 1.03, 40)).tolist()
        assert not warmed_up(seconds[:16], [64] * 16)
        assert warmed_up(seconds[:24], [64] * 24)

    def test_longer_batches_at_the_start_are_no_warm_up(self) -> None:
        padded = [640] * 8 + [64] * 8
        seconds = [tokens * 1e-4 * wobble for tokens, wobble in zip(padded, [1.0, 1.01] * 8, strict=True)]
        assert warmed_up(seconds, padded)
        assert not warmed_up(seconds, [64] * 16)

    def test_equal_times_are_settled(self) -> None:
        assert warmed_up([0.1] * 16, [64] * 16)

    def test_fewer_than_two_windows_settle_nothing(self) -> None:
        assert not warmed_up([0.1] * 15, [64] * 15)
        assert not warmed_up([], [])

    def test_settled_steps_are_called_unsettled_once_in_twenty_times(self) -> None:
        rng = np.random.default_rng(2)
        trials = [rng.lognormal(-3, 0.1, 16).tolist() for _ in range(400)]
        assert 0.02 * 400 < sum(not warmed_up(seconds, [64] * 16) for seconds in trials) < 0.08 * 400


class TestDrift:
    def test_times_that_follow_the_sizes_do_not_drift(self) -> None:
        """Batches run from the longest to the shortest: times halve without drift."""
        padded = sorted(PADDED, reverse=True)
        seconds = explained(padded, SAMPLES)
        assert seconds[: STEPS // 2].mean() > 1.5 * seconds[STEPS // 2 :].mean()
        found = known(drift(seconds.tolist(), SAMPLES, padded))
        assert found.disturbed_fraction == 0
        assert found.fraction == pytest.approx(0, abs=1e-6)

    def test_known_step_in_the_middle_is_found(self) -> None:
        later = np.where(np.arange(STEPS) < STEPS // 2, 1.0, 1.2)
        found = known(drift((explained(PADDED, SAMPLES) * later).tolist(), SAMPLES, PADDED))
        assert found.fraction == pytest.approx(0.2, abs=0.03)
        assert found.significant
        assert found.disturbed_fraction == 0

    def test_growth_by_a_hundredth_a_step_is_found(self) -> None:
        growing = 1 + 0.01 * np.arange(STEPS)
        found = known(drift((0.1 * growing).tolist(), SAMPLES, [64] * STEPS))
        assert found.fraction == pytest.approx(np.median(growing[20:]) / np.median(growing[:20]) - 1)
        assert found.significant

    def test_noise_alone_is_rarely_called_drift(self) -> None:
        rng = np.random.default_rng(3)
        trials = [drift(rng.lognormal(-3, 0.05, 24).tolist(), [8] * 24, [64] * 24) for _ in range(300)]
        called = sum(found.significant for found in trials if found is not None)
        assert called < 0.04 * 300  # the level is 1 %

    @pytest.mark.parametrize(("misplaced", "significant"), [([5, 8.1], True), ([7.1, 8.1], False)], ids=["U 2", "U 3"])
    def test_published_critical_value(self, misplaced: list[float], significant: bool) -> None:
        """For 6 against 6, two-sided at 1 %: 2. Of 924 orders, 4 have a U of at most 2, and 7 of at most 3."""
        found = known(drift([1, 2, 3, 4, *misplaced, 7, 8, 9, 10, 11, 12], [1] * 12, [1] * 12))
        assert found.p_value == pytest.approx(2 * (4 if significant else 7) / 924)
        assert found.significant is significant

    def test_single_disturbed_steps_are_counted_and_move_nothing_else(self) -> None:
        seconds = explained(PADDED, SAMPLES)
        seconds[[5, 11, 30]] *= 3
        found = known(drift(seconds.tolist(), SAMPLES, PADDED))
        assert found.disturbed_fraction == 3 / STEPS
        assert abs(found.fraction) < 0.01
        assert not found.significant

    def test_a_step_is_disturbed_beyond_one_and_a_half_times_its_size(self) -> None:
        def with_one(ratio: float) -> float:
            seconds = explained(PADDED, SAMPLES)
            seconds[7] *= ratio
            return known(drift(seconds.tolist(), SAMPLES, PADDED)).disturbed_fraction

        assert (with_one(1.45), with_one(1.55)) == (0, 1 / STEPS)

    @pytest.mark.parametrize("at", [0, 11, 50, 99])
    def test_one_long_pause_is_told_by_its_time(self, at: int) -> None:
        """A hundred steps of 0.04 s, one of which lasts 6 s: 1 % of the steps and 60 % of the time."""
        seconds = [0.04] * 100
        seconds[at] += 6
        found = known(drift(seconds, [8] * 100, [256] * 100))
        assert found.disturbed_fraction == 0.01
        assert found.lost_fraction == pytest.approx(0.6)

    def test_time_is_lost_in_steps_of_any_size(self) -> None:
        """Steps as long as their sizes explain lose nothing; a pause is lost completely."""
        padded, samples = [64 + 32 * (step % 9) for step in range(60)], [8] * 60
        seconds = explained(padded, samples).tolist()
        calm = known(drift(seconds, samples, padded))
        whole = sum(seconds)
        seconds[7] += whole / 10
        paused = known(drift(seconds, samples, padded))
        assert calm.lost_fraction == 0
        assert paused.lost_fraction == pytest.approx(1 / 11, rel=0.01)

    def test_is_unknown_below_twelve_steps(self) -> None:
        assert drift([0.1] * 11, [8] * 11, [64] * 11) is None
        assert drift([0.1] * 12, [8] * 12, [64] * 12) is not None

    def test_equal_steps(self) -> None:
        found = known(drift([0.1] * 12, [8] * 12, [64] * 12))
        assert (found.fraction, found.disturbed_fraction, found.significant) == (0, 0, False)
