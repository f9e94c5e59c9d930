"""The end of warm-up for made-up step times."""

from collections.abc import Callable

import pytest
import torch

from bench.measure.clock import StepClock
from bench.measure.warmup import WarmUp

SLOW, STEADY = 1.0, 0.1
#: Times of a steady step differ a little, in no order.
WOBBLE = (1.0, 1.02, 0.99, 1.01, 0.98)


class MadeUpClock(StepClock):
    """A clock with given step times, of which the last are not known yet."""

    def __init__(self, seconds: Callable[[int], float], behind: int = 0) -> None:
        super().__init__(torch.device("cpu"))
        self._seconds_of, self._behind = seconds, behind
        self.steps = 0

    def seconds(self) -> list[float]:
        return [self._seconds_of(step) for step in range(self.steps)]

    def ended_seconds(self) -> list[float]:
        return [self._seconds_of(step) for step in range(self.steps - self._behind)]


def settles_after(slow: int) -> Callable[[int], float]:
    """Steps are slow at first, and then steady."""
    return lambda step: (SLOW if step < slow else STEADY) * WOBBLE[step % len(WOBBLE)]


def ever_faster(step: int) -> float:
    return SLOW * 0.97**step


def watched(least: int, total: int, seconds: Callable[[int], float], behind: int = 0) -> tuple[WarmUp, list[int]]:
    """Warm-up of a completed training, and the steps after which it reported its end."""
    ends: list[int] = []
    clock = MadeUpClock(seconds, behind)
    warmup = WarmUp(least, total, lambda: ends.append(clock.steps))
    for step in range(1, total + 1):
        clock.steps = step
        warmup.step(clock, [64] * step)
    return warmup, ends


class TestByTheTest:
    @pytest.mark.parametrize(
        ("slow", "steps"),
        [
            (0, 16),  # two windows at least
            (3, 16),  # too few slow steps to be significant
            (8, 24),
            (11, 24),
        ],
    )
    def test_ends_when_step_times_are_stationary(self, slow: int, steps: int) -> None:
        warmup, ends = watched(5, 400, settles_after(slow))
        assert (warmup.steps, warmup.stationary, ends) == (steps, True, [steps])

    def test_takes_the_least_that_is_asked_for(self) -> None:
        warmup, ends = watched(50, 400, settles_after(0))
        assert (warmup.steps, warmup.stationary, ends) == (56, True, [56])

    @pytest.mark.parametrize(("total", "most"), [(64, 16), (100, 25), (400, 100)])
    def test_is_cut_short_at_a_quarter_of_the_training(self, total: int, most: int) -> None:
        warmup, ends = watched(5, total, ever_faster)
        assert (warmup.steps, warmup.stationary, ends) == (most, False, [most])

    def test_waits_for_a_device_that_is_behind(self) -> None:
        """Of 16 steps 3 have not ended, so 13 are known; of 24 steps 21 are."""
        warmup, ends = watched(5, 400, settles_after(0), behind=3)
        assert (warmup.steps, warmup.stationary, ends) == (24, True, [24])


class TestWithoutATest:
    @pytest.mark.parametrize(("least", "total"), [(5, 63), (1, 4), (3, 3)])
    def test_a_short_training_takes_what_is_asked_for(self, least: int, total: int) -> None:
        warmup, ends = watched(least, total, settles_after(0))
        assert (warmup.steps, warmup.stationary) == (least, None)
        assert ends == ([least] if least < total else [])

    def test_all_of_a_training_may_be_warm_up(self) -> None:
        warmup, ends = watched(50, 4, settles_after(0))
        assert (warmup.steps, warmup.stationary, ends) == (4, None, [])

    @pytest.mark.parametrize("total", [1, 40, 400])
    def test_none_is_none(self, total: int) -> None:
        warmup, ends = watched(0, total, settles_after(0))
        assert (warmup.steps, warmup.stationary, ends) == (0, None, [])


@pytest.mark.parametrize(("stopped", "steps"), [(3, 3), (7, 5)])
def test_a_training_that_stops_before_its_warm_up_ends_was_warm_up_alone(stopped: int, steps: int) -> None:
    clock = MadeUpClock(lambda _: STEADY)
    warmup = WarmUp(5, 60)
    for step in range(1, stopped + 1):
        clock.steps = step
        warmup.step(clock, [64] * step)
    warmup.stop(stopped)
    assert warmup.steps == steps
