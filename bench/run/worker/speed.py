"""Compute the speed of a pass from its log."""

from dataclasses import dataclass

from bench.measure.flops.lengths import FlopsByLength
from bench.measure.rates import within_cell
from bench.record.record import Speed
from bench.train.loop import StepLog


@dataclass(frozen=True, slots=True)
class Cost:
    """The costs of a pass other than time.

    Attributes:
        energy_joules: energy of the phase, including untimed steps; None if unknown.
        flops: FLOPs of one sequence by its length; None if unknown.
    """

    energy_joules: float | None = None
    flops: FlopsByLength | None = None


def speed(log: StepLog, skip: int, batch_size: int, cost: Cost | None = None) -> Speed | None:
    """Totals and throughput of the steps after the first ``skip``; None if no step is left.

    The utilisation of the device is added when the matmul has been read for the last time (``utilisation``).

    Args:
        log: log of the pass.
        skip: number of warm-up steps at the start.
        batch_size: number of sequences in a full batch.
        cost: costs of the pass; None: unknown.
    """
    steps = slice(skip, None)
    seconds = sum(log.seconds[steps])
    if not log.seconds[steps] or seconds <= 0:
        return None
    cost = cost or Cost()
    samples, tokens = sum(log.samples[steps]), sum(log.tokens[steps])
    model_flops = None
    if cost.flops is not None:
        model_flops = total_flops(log, cost.flops, skip) / seconds
    return Speed(
        timed_steps=len(log.seconds) - skip, timed_seconds=seconds, timed_samples=samples, timed_tokens=tokens,
        timed_padded_tokens=sum(log.padded_tokens[steps]), samples_per_second=samples / seconds,
        tokens_per_second=tokens / seconds, batch_size=batch_size,
        within_cell=within_cell(log.seconds[steps], log.samples[steps], log.tokens[steps], log.padded_tokens[steps]),
        energy_joules_per_sample=None if cost.energy_joules is None else cost.energy_joules / samples,
        model_flops_per_second=model_flops,
    )  # fmt: skip


def total_flops(log: StepLog, flops: FlopsByLength, skip: int = 0) -> float:
    """FLOPs of the steps after the first ``skip``, on their non-padding tokens."""
    pairs = zip(log.samples[skip:], log.tokens[skip:], strict=True)
    return sum(count * flops.at(tokens / count) for count, tokens in pairs)
