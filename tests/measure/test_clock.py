"""Step times."""

import gc
import time
from contextlib import suppress

import pytest
import torch

from bench.measure.clock import StepClock, held_garbage_collection


@pytest.mark.timed
def test_times_each_step() -> None:
    clock = StepClock(torch.device("cpu"))
    time.sleep(0.05)
    clock.mark()
    clock.mark()
    slept, idle = clock.seconds()
    assert 0.05 <= slept < 0.15
    assert 0 <= idle < 0.02


def test_without_a_step_there_is_no_time() -> None:
    assert StepClock(torch.device("cpu")).seconds() == []


def test_what_lies_between_two_steps_belongs_to_none(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("bench.measure.clock.monotonic_seconds", lambda: now)
    clock = StepClock(torch.device("cpu"))
    for aside in (0.0, 100.0, 0.0, 1000.0):
        now += 1
        clock.mark()
        if aside:
            now += aside
            clock.resume()
    assert clock.seconds() == clock.ended_seconds() == [1, 1, 1, 1]


class Stream:
    """A fake accelerator: an event is complete once the device has reached the point where it was recorded."""

    def __init__(self) -> None:
        self.queued_seconds = 0.0
        self.reached_seconds = 0.0


class Event:
    """A fake ``torch.Event``."""

    def __init__(self, device: str, *, enable_timing: bool) -> None:
        assert (device, enable_timing) == ("xpu", True)

    def record(self, stream: Stream) -> None:
        self.stream, self.at_seconds = stream, stream.queued_seconds

    def query(self) -> bool:
        return self.at_seconds <= self.stream.reached_seconds

    def elapsed_time(self, end: "Event") -> float:
        return (end.at_seconds - self.at_seconds) * 1000


def test_an_accelerator_of_any_kind_times_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events in the stream of the computing device, also if it is not the first; the host waits only at the end."""
    stream, device = Stream(), torch.device("xpu", 1)
    waited: list[torch.device] = []
    monkeypatch.setattr(torch, "Event", Event)
    monkeypatch.setattr("torch.accelerator.current_stream", {device: stream}.__getitem__)
    monkeypatch.setattr("torch.accelerator.synchronize", waited.append)
    clock = StepClock(device)
    for seconds in (1.0, 2.0, 4.0):
        stream.queued_seconds += seconds
        clock.mark()
    stream.reached_seconds = 3.5
    assert (clock.ended_seconds(), waited) == ([1.0, 2.0], [])
    stream.queued_seconds += 100
    clock.resume()
    stream.queued_seconds += 8
    clock.mark()
    assert (clock.seconds(), waited) == ([1.0, 2.0, 4.0, 8.0], [device])


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_held_and_put_back(enabled: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        held = []
        with suppress(KeyError), held_garbage_collection():
            held.append(gc.isenabled())
            raise KeyError
        assert held == [False]
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


@pytest.mark.gpu
@pytest.mark.timed
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_times_the_device_and_not_the_host() -> None:
    cuda = torch.device("cuda", 0)
    a = torch.ones(4096, 4096, device=cuda)
    for _ in range(2):  # the first round loads the kernels
        torch.cuda.synchronize()
        clock = StepClock(cuda)
        started = time.perf_counter()
        for _ in range(50):
            a = a @ a * 0
        clock.mark()
        queued = time.perf_counter() - started
        (seconds,) = clock.seconds()
        finished = time.perf_counter() - started
    assert queued < seconds < 1.1 * finished


@pytest.mark.gpu
@pytest.mark.timed
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_what_the_device_does_between_two_steps_belongs_to_none() -> None:
    cuda = torch.device("cuda", 0)
    a = torch.ones(4096, 4096, device=cuda)
    a @ a  # loads the kernel
    torch.cuda.synchronize()
    clock = StepClock(cuda)
    a @ a
    clock.mark()
    for _ in range(50):
        a @ a
    (a @ a).cpu()
    clock.resume()
    a @ a
    clock.mark()
    before, after = clock.seconds()
    assert after < 10 * before
