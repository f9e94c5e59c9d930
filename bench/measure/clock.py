"""Times of many steps without a synchronisation between them."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

import torch


class StepClock:
    """Marks the end of each step; the times are read once, at the end.

    On CUDA a mark is an event in the stream, so the host never waits; elsewhere it is ``perf_counter``.
    """

    def __init__(self, device: torch.device) -> None:
        """Start the first step now."""
        self._cuda = device.type == "cuda"
        self._starts: list[Any] = [self._now()]
        self._ends: list[Any] = []

    def mark(self) -> None:
        """End a step and start the next one."""
        now = self._now()
        self._ends.append(now)
        self._starts.append(now)

    def resume(self) -> None:
        """Start the next step anew: what lies between the last mark and now belongs to no step."""
        self._starts[-1] = self._now()

    def seconds(self) -> list[float]:
        """Seconds of each step."""
        if self._cuda:
            torch.cuda.synchronize()
        return self._between(self._ends)

    def ended_seconds(self) -> list[float]:
        """Seconds of the steps that the device has ended; the host does not wait for those that it has not."""
        if not self._cuda:
            return self.seconds()
        return self._between(list(takewhile(lambda event: event.query(), self._ends)))

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _between(self, ends: list[Any]) -> list[float]:
        pairs = zip(self._starts, ends, strict=False)
        if not self._cuda:
            return [end - start for start, end in pairs]
        return [start.elapsed_time(end) / 1000 for start, end in pairs]  # elapsed_time is in milliseconds


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
