"""How long an answer takes: batches scored one after another, each awaited before the next is handed over."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bench.clocks import monotonic_seconds
from bench.data.batches import Batch
from bench.measure.clock import held_garbage_collection
from bench.measure.rates import latency
from bench.record.record import Latency

#: Batches, and the time for them; the first that is reached ends the pass.
MOST_BATCHES, MOST_SECONDS = 100, 0.5
LEAST_BATCHES, WARMUP_BATCHES = 3, 2


def time_batches(
    score: Callable[[Batch], Tensor], batches: Sequence[Batch], device: torch.device, batch_size: int
) -> Latency:
    """Time full batches from the host's memory, page-locked, to scores in the host's memory.

    Args:
        score: class scores of a batch on the device.
        batches: one or more; two are scored beforehand.
        device: where the model lies.
        batch_size: of them.
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
