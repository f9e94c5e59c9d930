"""Latency: batches that take a known time, one after another."""

import gc
import time

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.data.batches import Batch
from bench.run.worker import latency
from bench.run.worker.latency import LEAST_BATCHES, MOST_BATCHES, WARMUP_BATCHES, time_batches

CPU = torch.device("cpu")


def batches(count: int) -> list[Batch]:
    return [Batch(torch.full((2, 3), i), None, torch.zeros(2), np.array([i]), 6) for i in range(count)]


class Scorer:
    """Scores that take as long as is said, on a clock that only they move; and which batches were scored."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
        self._seconds, self._now = seconds, 0.0
        self.scored: list[int] = []
        monkeypatch.setattr(latency, "monotonic_seconds", lambda: self._now)

    def __call__(self, batch: Batch) -> Tensor:
        assert torch.is_inference_mode_enabled()
        assert not gc.isenabled()
        self._now += self._seconds[len(self.scored) % len(self._seconds)]
        self.scored.append(int(batch.input_ids[0, 0]))
        return torch.zeros(2, 2)


def test_times_are_those_of_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two are scored beforehand, and that is not timed; 0.001 to 0.010 s."""
    score = Scorer(monkeypatch, 9.0, 9.0, *(number / 1000 for number in range(1, 11)))
    found = time_batches(score, batches(10), CPU, 2)
    assert score.scored == [*range(WARMUP_BATCHES), *range(10)]
    assert (found.batch_size, found.timed_batches, found.p99_seconds) == (2, 10, None)
    assert found.p50_seconds == pytest.approx(0.0055)
    assert found.p90_seconds is None


@pytest.mark.parametrize(
    ("seconds", "available", "timed"),
    [
        (0.001, 400, MOST_BATCHES),  # fast: so many are enough
        (0.1, 400, 6),  # slow: until 0.5 s are over
        (9.0, 400, LEAST_BATCHES),  # very slow: three all the same
        (0.001, 5, 5),
        (9.0, 1, 1),
    ],
)
def test_ends_in_time(seconds: float, available: int, timed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = time_batches(Scorer(monkeypatch, seconds), batches(available), CPU, 2)
    assert found.timed_batches == timed
    assert found.p50_seconds == pytest.approx(seconds)
    assert ((found.p90_seconds is not None), (found.p99_seconds is not None)) == (timed >= 30, timed >= 299)


@pytest.mark.parametrize(
    ("seconds", "timed"),
    [
        (0.0101, 50),  # thirty are timed before 0.5 s are over
        (0.0501, 30),  # longer, until p90 is known
        (0.201, 15),  # until 3 s are over
        (9.0, LEAST_BATCHES),
    ],
)
def test_single_texts_take_longer_until_p90_is_known(
    seconds: float, timed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = time_batches(Scorer(monkeypatch, seconds), batches(400), CPU, 1)
    assert found.timed_batches == timed
    assert (found.p90_seconds is not None) == (timed >= 30)


@pytest.mark.timed
def test_a_sleep_of_known_length_is_found() -> None:
    def slept(batch: Batch) -> Tensor:
        time.sleep(0.05)
        return torch.zeros(2, 2)

    found = time_batches(slept, batches(4), CPU, 1)
    assert found.p50_seconds == pytest.approx(0.05, rel=0.1)
    assert found.p50_seconds >= 0.05


@pytest.mark.gpu
@pytest.mark.timed
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_waits_for_the_device() -> None:
    """Queueing thirty matmuls takes the host a fraction of the time that they take."""
    matrix = torch.ones(8192, 8192, device="cuda", dtype=torch.bfloat16)

    def score(batch: Batch) -> Tensor:
        result = matrix
        for _ in range(30):
            result = matrix @ result
        return result[:2, :2]

    found = time_batches(score, batches(5), torch.device("cuda", 0), 1)
    torch.cuda.synchronize()
    started = time.perf_counter()
    score(batches(1)[0])
    queued = time.perf_counter() - started
    torch.cuda.synchronize()
    assert queued < found.p50_seconds / 3
    assert found.p50_seconds == pytest.approx(time.perf_counter() - started, rel=0.2)
