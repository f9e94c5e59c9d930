"""Speed of a method without a model: texts per second; it has no tokens."""

from collections.abc import Sequence

from bench.measure.rates import within_cell
from bench.record.record import Speed


def text_speed(
    seconds: Sequence[float], samples: Sequence[int], sizes: Sequence[int], batch_size: int,
    energy_joules: float | None,
) -> Speed | None:  # fmt: skip
    """The speed of a pass; None if it took no time.

    Args:
        seconds: duration of each step, in order.
        samples: texts of each step.
        sizes: characters of each step, which explain its duration.
        batch_size: number of texts in a full batch.
        energy_joules: energy of the phase; None if unknown.
    """
    took, count = sum(seconds), sum(samples)
    if took <= 0:
        return None
    spread = within_cell(seconds, samples, sizes, sizes)
    if spread is not None:  # the rates by size are of characters
        spread = spread.model_copy(update={"p10_tokens_per_second": None, "p90_tokens_per_second": None})
    return Speed(
        timed_steps=len(seconds), timed_seconds=took, timed_samples=count, timed_tokens=None, timed_padded_tokens=None,
        samples_per_second=count / took, tokens_per_second=None, batch_size=batch_size, within_cell=spread,
        energy_joules_per_sample=None if energy_joules is None else energy_joules / count,
    )  # fmt: skip
