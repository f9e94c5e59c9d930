"""End of the warm-up of a training, found from its step times rather than a fixed count."""

from collections.abc import Callable

from bench.measure.clock import StepClock
from bench.measure.stationarity import WARMUP_WINDOW_STEPS, warmed_up

#: Maximum share of a training that warm-up may take, since its steps are not timed.
MOST_FRACTION = 0.25


class WarmUp:
    """Watches the first steps of a training.

    Attributes:
        steps: number of warm-up steps; 0 until known.
        stationary: whether the test of ``warmed_up`` ended warm-up; None if the training is too short for the test.
    """

    def __init__(self, least: int, total: int, on_end: Callable[[], None] = lambda: None) -> None:
        """Start watching.

        Args:
            least: minimum number of warm-up steps; 0 for no warm-up.
            total: number of steps of the training.
            on_end: function called once after the last warm-up step, unless that is the last of the training.
        """
        self.steps = 0
        self.stationary: bool | None = None
        self._least, self._total, self._on_end = min(least, total), total, on_end
        self._most = max(self._least, int(total * MOST_FRACTION))
        self._testable = self._most >= 2 * WARMUP_WINDOW_STEPS
        self._over = not least

    def step(self, clock: StepClock, padded_tokens: list[int]) -> None:
        """Process a step that has ended.

        Args:
            clock: clock that marked it.
            padded_tokens: padded tokens of every step so far.
        """
        if self._over:
            return
        done = len(padded_tokens)
        if self._ends(clock, padded_tokens):
            self._over, self.steps = True, done
            if done < self._total:
                self._on_end()
                clock.resume()  # the time of on_end belongs to no step

    def stop(self, done: int) -> None:
        """End the training after fewer steps than planned; if warm-up was not over, all of them were warm-up."""
        if not self._over:
            self._over, self.steps = True, done

    def _ends(self, clock: StepClock, padded_tokens: list[int]) -> bool:
        done = len(padded_tokens)
        if done < self._least:
            return False
        if not self._testable:
            return True
        if done % WARMUP_WINDOW_STEPS == 0 or done == self._most:
            # The last test waits for the device, as the end of the phase does anyway.
            ended = clock.seconds() if done == self._most else clock.ended_seconds()
            if len(ended) >= 2 * WARMUP_WINDOW_STEPS:
                self.stationary = warmed_up(ended, padded_tokens[: len(ended)])
        return bool(self.stationary) or done >= self._most
