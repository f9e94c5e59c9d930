"""Times of many steps without a synchronisation between them."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise, takewhile

import torch


class StepClock:
    """Marks the end of each step; the times are read once, at the end.

    On CUDA a mark is an event in the stream, so the host never waits; elsewhere it is ``perf_counter``.
    """

    def __init__(self, device: torch.device) -> None:
        """Start the first step now."""
        self._cuda = device.type == "cuda"
        self._marks: list[float] = []
        self._events: list[torch.cuda.Event] = []
        self.mark()

    def mark(self) -> None:
        """End a step and start the next one."""
        if self._cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._events.append(event)
        else:
            self._marks.append(time.perf_counter())

    def seconds(self) -> list[float]:
        """Seconds of each step."""
        if not self._cuda:
            return [after - before for before, after in zip(self._marks, self._marks[1:], strict=False)]
        torch.cuda.synchronize()
        return self._between(self._events)

    def ended_seconds(self) -> list[float]:
        """Seconds of the steps that the device has ended; the host does not wait for those that it has not."""
        if not self._cuda:
            return self.seconds()
        return self._between(list(takewhile(lambda event: event.query(), self._events)))

    @staticmethod
    def _between(events: list[torch.cuda.Event]) -> list[float]:
        pairs = pairwise(events)
        return [before.elapsed_time(after) / 1000 for before, after in pairs]  # elapsed_time is in milliseconds


@contextmanager
def held_garbage_collection() -> Iterator[None]:
    """Collect once, then keep the collector out of a timed stretch."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
