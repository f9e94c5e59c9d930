"""When the warm-up of a training ends: by its step times, and not after a fixed count."""

from collections.abc import Callable

from bench.measure.clock import StepClock
from bench.measure.stationarity import WARMUP_WINDOW_STEPS, warmed_up

#: Warm-up takes this share of a training at most, since what it takes is not timed.
MOST_FRACTION = 0.25


class WarmUp:
    """Watches the first steps of a training.

    Attributes:
        steps: that warm-up took, as far as is known.
        stationary: the test of ``warmed_up`` ended it; None where the training is too short to be tested.
    """

    def __init__(self, least: int, total: int, on_end: Callable[[], None] = lambda: None) -> None:
        """Start.

        Args:
            least: steps of warm-up, whatever their times are; 0: there is no warm-up.
            total: steps of the training.
            on_end: called once, after the last step of warm-up, unless that is the last of the training.
        """
        self.steps = 0
        self.stationary: bool | None = None
        self._least, self._total, self._on_end = min(least, total), total, on_end
        self._most = max(self._least, int(total * MOST_FRACTION))
        self._testable = self._most >= 2 * WARMUP_WINDOW_STEPS
        self._over = not least

    def step(self, clock: StepClock, padded_tokens: list[int]) -> None:
        """Look at the step that ended.

        Args:
            clock: that marked it.
            padded_tokens: of every step so far.
        """
        if self._over:
            return
        done = len(padded_tokens)
        if self._ends(clock, padded_tokens):
            self._over, self.steps = True, done
            if done < self._total:
                self._on_end()
                clock.resume()  # what was done at the end of warm-up is part of no step

    def stop(self, done: int) -> None:
        """The training ends after so many steps, fewer than were planned; without a step beyond it all were warm-up."""
        if not self._over:
            self._over, self.steps = True, done

    def _ends(self, clock: StepClock, padded_tokens: list[int]) -> bool:
        done = len(padded_tokens)
        if done < self._least:
            return False
        if not self._testable:
            return True
        if done % WARMUP_WINDOW_STEPS == 0 or done == self._most:
            # At the last look the device is waited for, as the end of the phase will do in any case.
            ended = clock.seconds() if done == self._most else clock.ended_seconds()
            if len(ended) >= 2 * WARMUP_WINDOW_STEPS:
                self.stationary = warmed_up(ended, padded_tokens[: len(ended)])
        return bool(self.stationary) or done >= self._most
