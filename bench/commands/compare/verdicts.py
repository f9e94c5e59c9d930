"""The verdict on one metric of one row, from its values and its noise."""

from collections.abc import Sequence
from statistics import fmean

from bench.commands.compare.metrics import TOGETHER, Metric
from bench.commands.compare.moves import NOISE_UNKNOWN, Move, MoveVerdict, Rules
from bench.commands.compare.noise import Noise
from bench.commands.compare.sample import Sample


def one_sided(sample: Sample) -> Move | None:
    """The move of a metric that no seed has on both sides; None if no seed has it at all."""
    sides = [sample.metric.values([one.records[at] for one in sample.row]) for at in (0, 1)]
    known = [[value for value in side if value is not None] for side in sides]
    if not any(known):
        return None
    a, b = (fmean(side) if side else None for side in known)
    verdict: MoveVerdict = "not in A" if a is None else "not in B"
    return Move(sample.row, sample.metric, (), a, b, None, None, None, verdict, False)


def not_comparable(sample: Sample, verdict: MoveVerdict, difference: float | None) -> Move:
    """The move of a metric that depends on data or machines which differ."""
    seeds, a, b = _seeds(sample), fmean(sample.a), fmean(sample.b)
    if sample.a == sample.b:
        verdict = "same"
    return Move(sample.row, sample.metric, seeds, a, b, difference, difference, None, verdict, False, sample.suspect)


def comparable(sample: Sample, noise: Noise, rules: Rules) -> Move:
    """The move of a metric whose sides can be compared."""
    a, b, metric = fmean(sample.a), fmean(sample.b), sample.metric
    same = sample.a == sample.b
    verdict: MoveVerdict = "same" if same else _moved(metric, noise, sample.trusted, sample.suspect, rules)
    return Move(
        sample.row, metric, _seeds(sample), a, b, noise.difference, noise.own, None if same else noise.significance,
        verdict, verdict == "worse", sample.suspect,
    )  # fmt: skip


def together(samples: Sequence[Sample], seeds: tuple[int, ...], noise: Noise, trusted: bool, rules: Rules) -> Move:
    """The move of a row's timed metrics together.

    Args:
        samples: the row's timed metrics.
        seeds: seeds of the runs that are compared.
        noise: noise of the mean over the metrics.
        trusted: whether no failed check doubts it.
        rules: rules for regressions.
    """
    same = all(one.a == one.b for one in samples)
    suspect = tuple(dict.fromkeys(text for one in samples for text in one.suspect))
    verdict: MoveVerdict = "same" if same else _moved(TOGETHER, noise, trusted, suspect, rules)
    return Move(
        samples[0].row, TOGETHER, seeds, None, None, noise.difference, noise.own,
        None if same else noise.significance, verdict, verdict == "worse", suspect,
    )  # fmt: skip


def _seeds(sample: Sample) -> tuple[int, ...]:
    return tuple(seed for seed, _ in sample.runs)


def _moved(metric: Metric, noise: Noise, trusted: bool, suspect: Sequence[str], rules: Rules) -> MoveVerdict:
    verdict = _beyond(metric, noise, rules.limit(metric))
    if not trusted and verdict in ("worse", "better"):
        return "suspect"
    # Without the runs that were left out, the noise may be unknown.
    return "suspect" if suspect and not rules.strict and verdict in NOISE_UNKNOWN else verdict


def _beyond(metric: Metric, noise: Noise, limit: float) -> MoveVerdict:
    """The verdict on a difference; ``limit`` is the largest move that counts as small."""
    large, worse = abs(noise.worsening) > limit, noise.worsening > 0
    if metric.kind == "exact":
        return "worse" if worse else "changed"
    interval = noise.significance.interval
    if metric.kind != "size" and interval is None:
        if not large:
            return "noise unknown"
        return "worse, noise unknown" if worse else "better, noise unknown"
    if interval is not None and interval[0] <= 0 <= interval[1]:
        shared = noise.own != noise.difference and abs(noise.difference or 0) > limit
        return "as all rows" if shared else "within noise"
    if not large:
        return "moved"
    return "worse" if worse else "better"
