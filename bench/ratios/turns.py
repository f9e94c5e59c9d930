"""Measure resident methods in turn until every ratio is known well enough, or the time is over."""

import statistics
from collections.abc import Callable, Sequence

from bench.clocks import monotonic_seconds
from bench.ratios.estimate import LEAST_BLOCKS, WINDOWS_IN_BLOCK, Ratio, estimate, log_ratios
from bench.ratios.resident import FailedError, Resident
from bench.ratios.window import Failed, Measured, Order, Task, Window

#: Time of one window. Shorter ones follow the host's changes more closely; longer ones lose less to the switch.
WINDOW_SECONDS = 0.5
#: Least time of the windows that warm a method up, none of which counts.
WARMUP_SECONDS = 1.0
#: Part of a short time limit that all warm-ups take, and the least number of blocks that shall fit into the limit.
WARMUP_FRACTION, BLOCKS_IN_LIMIT = 0.25, 3 * LEAST_BLOCKS

Tell = Callable[[str, Ratio | None], None]
"""Receiver of progress: cell id of a method, and its ratio so far."""


class Turns:
    """Methods that take turns at one task, the first of which is the reference.

    Attributes:
        failed: failures by cell id.
    """

    def __init__(
        self, task: Task, members: Sequence[Resident], keep: Callable[[Window], None], tell: Tell,
        clock: Callable[[], float] = monotonic_seconds,
    ) -> None:  # fmt: skip
        """Store the collaborators.

        Args:
            task: task to measure.
            members: two or more methods, the reference first.
            keep: receiver of each window of a complete block.
            tell: receiver of progress.
            clock: clock of the time limit, in seconds.
        """
        self.failed: dict[str, Failed] = {}
        self._task: Task = task
        self._reference, self._active, self._set = members[0], list(members[1:]), members[1].cell.id
        self._keep, self._tell, self._clock = keep, tell, clock
        self._windows: list[Window] = []

    def measure(self, within_percent: float, seconds: float) -> None:
        """Measure blocks until every interval is narrow enough.

        Args:
            within_percent: half-width of a 95 % interval that is narrow enough.
            seconds: time limit; a block that would probably end later does not begin.
        """
        deadline, block, block_seconds = self._clock() + seconds, 0, 0.0
        steps = self._warm_up(seconds)
        while self._goes_on() and self._clock() + block_seconds <= deadline:
            began = self._clock()
            self._measure_block(block, steps)
            block, block_seconds = block + 1, self._clock() - began
            self._active = [other for other in self._active if not self._is_known(other, within_percent)]

    def _goes_on(self) -> bool:
        return bool(self._active) and self._reference.cell.id not in self.failed

    def _is_known(self, other: Resident, within_percent: float) -> bool:
        found = estimate(log_ratios(self._windows, other.cell.id, self._reference.cell.id))
        self._tell(other.cell.id, found)
        return found is not None and found.within_percent <= within_percent

    def _warm_up(self, limit_seconds: float) -> int:
        """Warm every method up; returns the number of steps of a window, the same for all."""
        members = [self._reference, *self._active]
        least = min(WARMUP_SECONDS, limit_seconds * WARMUP_FRACTION / len(members))
        window = min(WINDOW_SECONDS, limit_seconds / (BLOCKS_IN_LIMIT * WINDOWS_IN_BLOCK * len(members)))
        step_seconds = [found for member in members if (found := self._warm_up_one(member, least)) is not None]
        return max(1, round(window / statistics.fmean(step_seconds))) if step_seconds else 1

    def _warm_up_one(self, member: Resident, least_seconds: float) -> float | None:
        """Run ever longer windows; returns the seconds of a step in the last one, or None if the method failed."""
        done, steps, seconds = 0, 1, 0.0
        while True:
            measured = self._run(member, Order(task=self._task, window=0, steps=steps))
            if measured is None:
                return None
            done, seconds = done + steps, seconds + measured.seconds
            if done >= member.cell.train.timing_warmup_steps and seconds >= least_seconds:
                return measured.seconds / steps
            steps *= 2

    def _measure_block(self, block: int, steps: int) -> None:
        """Measure a window of each method, then another one in reverse order; keep those of methods that go on."""
        found: list[tuple[Resident, int, Measured]] = []
        for turn in range(WINDOWS_IN_BLOCK):
            number = block * WINDOWS_IN_BLOCK + turn
            members = [self._reference, *self._active]
            for member in reversed(members) if turn % 2 else members:
                measured = self._run(member, Order(task=self._task, window=number, steps=steps))
                if measured is not None:
                    found.append((member, number, measured))
        self._check_batches(found)
        for member, number, measured in found:
            if member.cell.id not in self.failed:
                window = Window(
                    member=member.cell.id, task=self._task, set=self._set, block=block, window=number,
                    **measured.model_dump(),
                )  # fmt: skip
                self._windows.append(window)
                self._keep(window)

    def _check_batches(self, found: Sequence[tuple[Resident, int, Measured]]) -> None:
        """Fail methods whose batches are not those of the reference."""
        expected = {number: measured.batches for member, number, measured in found if member is self._reference}
        for member, number, measured in found:
            if number in expected and measured.batches != expected[number]:
                why = "its batches are not those of the reference, so that the ratio would be one of unequal work"
                self._fail(member, Failed(status="error", phase=self._task, message=why))

    def _run(self, member: Resident, order: Order) -> Measured | None:
        """A window of a method; None if the method fails or has failed."""
        if member.cell.id in self.failed:
            return None
        try:
            return member.run(order)
        except FailedError as error:
            self._fail(member, error.failed)
            return None

    def _fail(self, member: Resident, failed: Failed) -> None:
        self.failed[member.cell.id] = failed
        self._active = [other for other in self._active if other is not member]
