"""Compute the speed of a pass from its log."""

from dataclasses import dataclass

from bench.measure.flops.lengths import FlopsByLength
from bench.measure.rates import windowed_rate
from bench.record.record import Speed
from bench.train.loop import StepLog


@dataclass(frozen=True, slots=True)
class Cost:
    """The costs of a pass other than time.

    Attributes:
        energy_joules: energy of the phase, including untimed steps; None if unknown.
        flops: FLOPs of one sequence by its length; None if unknown.
        matmul_flops_per_second: measured matmul rate of the device; None if unknown.
    """

    energy_joules: float | None = None
    flops: FlopsByLength | None = None
    matmul_flops_per_second: float | None = None


def speed(log: StepLog, skip: int, batch_size: int, cost: Cost | None = None) -> Speed | None:
    """Totals and throughput of the steps after the first ``skip``; None if no step is left.

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
        pairs = zip(log.samples[steps], log.tokens[steps], strict=True)
        model_flops = sum(count * cost.flops.at(of / count) for count, of in pairs) / seconds
    usable = model_flops is not None and cost.matmul_flops_per_second is not None
    return Speed(
        timed_steps=len(log.seconds) - skip, timed_seconds=seconds, timed_samples=samples, timed_tokens=tokens,
        timed_padded_tokens=sum(log.padded_tokens[steps]), samples_per_second=samples / seconds,
        tokens_per_second=tokens / seconds, batch_size=batch_size,
        windowed_samples_per_second=windowed_rate(log.samples[steps], log.seconds[steps]),
        windowed_tokens_per_second=windowed_rate(log.tokens[steps], log.seconds[steps]),
        energy_joules_per_sample=None if cost.energy_joules is None else cost.energy_joules / samples,
        model_flops_per_second=model_flops,
        mfu_fraction=(model_flops or 0) / (cost.matmul_flops_per_second or 1) if usable else None,
    )  # fmt: skip
