"""Times of many steps without a synchronisation between them."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

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
        pairs = zip(self._events, self._events[1:], strict=False)
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
