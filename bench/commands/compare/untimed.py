"""The noise of quality, memory and sizes, judged for all rows of a comparison at once."""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from bench.commands.compare import layout
from bench.commands.compare.layout import Floats
from bench.commands.compare.noise import Noise, difference, unadjusted
from bench.commands.compare.sample import Sample
from bench.report.analysis.paired import Difference
from bench.report.analysis.significance import Estimate, Significance, together
from bench.report.analysis.stacked import difference_of


def measure(samples: Sequence[Sample]) -> list[Noise]:
    """The noise of one metric over all rows, which are one family of tests.

    - Sizes, parameters and FLOPs have none.
    - Runs: Student's interval of the paired differences, with the deviation pooled over the rows; see
      ``layout.estimates``. Repeats of a seed are separate runs, except for quality.
    - Texts: for macro F1, also the variation between texts, see ``bench.report.analysis.paired``, if both sides keep
      predictions; the larger standard error counts.

    Args:
        samples: comparable samples of the metric, one per row.
    """
    changes = _changes(samples)
    left = layout.deviations(changes)[None]
    estimated = layout.estimates(changes, left, layout.pooled(left, centred=False))
    noises = [_of_row(*row) for row in zip(samples, estimated, strict=True)]
    intervals = iter(together([one for one in noises if isinstance(one, Estimate)]))
    return [
        unadjusted(sample, Significance(next(intervals), one.sources) if isinstance(one, Estimate) else one)
        for sample, one in zip(samples, noises, strict=True)
    ]


def _changes(samples: Sequence[Sample]) -> Floats:
    """The statistically independent differences, shape (rows, runs); unknown for a row with an undefined one."""
    found = []
    for one in samples:
        by_run: dict[tuple[int, int], list[float]] = {}
        for (seed, repeat), a, b in zip(one.runs, one.a, one.b, strict=True):
            change = difference(one.metric, a, b)
            run = (seed, 0 if one.metric.kind == "quality" else repeat)
            by_run.setdefault(run, []).append(math.nan if change is None else change)
        changes = [fmean(run) for run in by_run.values()]
        found.append([] if any(map(math.isnan, changes)) else changes)
    return np.array([[*row, *[math.nan] * (max(map(len, found)) - len(row))] for row in found])


def _of_row(sample: Sample, runs: Estimate | None) -> Estimate | Significance:
    """The estimate of a row's difference, or why there is none."""
    if sample.metric.kind in ("exact", "size"):
        return Significance(None, ("exact",))
    if runs is None:
        return Significance(None, ("one seed",))
    found = replace(runs, sources=(f"{len(sample.cells)} paired runs",))
    if sample.metric.quantity.column == "macro_f1" and sample.a != sample.b:
        predicted = difference_of([one.b for one in sample.cells], [one.a for one in sample.cells])
        if isinstance(predicted, Difference):
            errors, sources = predicted.estimate.errors, (*found.sources, f"{predicted.texts} texts")
            found = replace(found, errors=(*found.errors, *errors), sources=sources)
    return found
