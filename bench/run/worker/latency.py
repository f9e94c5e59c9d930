"""Measure latency: batches are scored one after another, and each result is awaited before the next."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bench.clocks import monotonic_seconds
from bench.data.batches import Batch
from bench.measure.clock import held_garbage_collection
from bench.measure.rates import latency
from bench.record.record import Latency

#: Maximum number of batches and their total time; the first limit reached ends the pass.
MOST_BATCHES, MOST_SECONDS = 100, 0.5
LEAST_BATCHES, WARMUP_BATCHES = 3, 2


def time_batches(
    score: Callable[[Batch], Tensor], batches: Sequence[Batch], device: torch.device, batch_size: int
) -> Latency:
    """Time full batches from page-locked host memory to scores in host memory.

    Args:
        score: function that returns the class scores of a batch on the device.
        batches: one or more batches; the first two also serve as warm-up.
        device: device of the model.
        batch_size: batch size, for the result.
    """
    seconds: list[float] = []
    batches = [batch.pinned_for(device) for batch in batches[:MOST_BATCHES]]
    with torch.inference_mode(), held_garbage_collection():
        for batch in batches[:WARMUP_BATCHES]:
            score(batch.to(device)).cpu()
        started = monotonic_seconds()
        for batch in batches:
            before = monotonic_seconds()
            score(batch.to(device)).cpu()  # waits for the device
            after = monotonic_seconds()
            seconds.append(after - before)
            if len(seconds) >= LEAST_BATCHES and after - started > MOST_SECONDS:
                break
    return latency(batch_size, seconds)
