"""Measure latency: batches are scored one after another, and each result is awaited before the next."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bench.clocks import monotonic_seconds
from bench.data.batches import Batch
from bench.measure.clock import held_garbage_collection
from bench.measure.percentiles import latency
from bench.record.timings import LATENCY_BATCHES, Latency

#: Maximum number of batches, which is enough for every percentile, and the time after which a pass ends.
MOST_BATCHES, MOST_SECONDS = max(LATENCY_BATCHES.values()), 0.5
#: Time after which a pass of single texts ends if it has not timed enough of them for the 90th percentile.
SINGLE_TEXTS_SECONDS = 3.0
LEAST_BATCHES, WARMUP_BATCHES = 3, 2


def time_batches(
    score: Callable[[Batch], Tensor], batches: Sequence[Batch], device: torch.device, batch_size: int
) -> Latency:
    """Time full batches from page-locked host memory to scores in host memory.

    Args:
        score: function that returns the class scores of a batch on the device.
        batches: one or more batches; the first two also serve as warm-up.
        device: device of the model.
        batch_size: number of texts of a batch; single texts are timed until there are enough for the 90th percentile.
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
            if _is_enough(len(seconds), after - started, batch_size):
                break
    return latency(batch_size, seconds)


def _is_enough(timed: int, elapsed_seconds: float, batch_size: int) -> bool:
    waits = batch_size == 1 and timed < LATENCY_BATCHES[90]
    return timed >= LEAST_BATCHES and elapsed_seconds > (SINGLE_TEXTS_SECONDS if waits else MOST_SECONDS)
