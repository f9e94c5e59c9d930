"""Step times without a synchronisation between steps."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

import torch

from bench.clocks import monotonic_seconds


class StepClock:
    """Marks the end of each step; the times are read once at the end.

    On an accelerator a mark is an event in its stream, so the host never waits; on a CPU it is a clock reading.
    """

    def __init__(self, device: torch.device) -> None:
        """Start the first step."""
        self._device = device
        self._on_host = device.type == "cpu"
        self._starts: list[Any] = [self._now()]
        self._ends: list[Any] = []

    def mark(self) -> None:
        """End a step and start the next one."""
        now = self._now()
        self._ends.append(now)
        self._starts.append(now)

    def resume(self) -> None:
        """Start the next step now: the time since the last mark belongs to no step."""
        self._starts[-1] = self._now()

    def seconds(self) -> list[float]:
        """Seconds of each step."""
        synchronize(self._device)
        return self._between(self._ends)

    def ended_seconds(self) -> list[float]:
        """Seconds of the steps that the device has finished, without waiting for the others."""
        if self._on_host:
            return self.seconds()
        return self._between(list(takewhile(lambda event: event.query(), self._ends)))

    def _now(self) -> Any:
        if self._on_host:
            return monotonic_seconds()
        event = torch.Event(self._device.type, enable_timing=True)
        event.record(torch.accelerator.current_stream(self._device))
        return event

    def _between(self, ends: list[Any]) -> list[float]:
        pairs = zip(self._starts, ends, strict=False)
        if self._on_host:
            return [end - start for start, end in pairs]
        return [start.elapsed_time(end) / 1000 for start, end in pairs]  # elapsed_time is in milliseconds


def synchronize(device: torch.device) -> None:
    """Wait until an accelerator has finished its queued work; a CPU has no queue."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


@contextmanager
def held_garbage_collection() -> Iterator[None]:
    """Collect garbage once, then disable the collector in the block."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
