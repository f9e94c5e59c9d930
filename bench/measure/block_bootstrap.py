"""Standard error of a pass's rate within its cell, by a moving-block bootstrap over the steps."""

import math
from collections.abc import Sequence

import numpy as np

from bench.measure.explained_time import explained_seconds

#: Minimum number of steps.
BOOTSTRAP_STEPS = 12


def block_steps(steps: int) -> int:
    """Steps of a block: the root of the number of steps, rounded up."""
    return math.ceil(math.sqrt(steps))


def relative_standard_error(
    seconds: Sequence[float], samples: Sequence[int], padded_tokens: Sequence[int]
) -> float | None:
    """Standard error of the pass's rate as a fraction of the rate; None below 12 steps.

    Times of neighbouring steps are correlated, so blocks of consecutive steps are drawn, not single steps (Künsch, The
    Jackknife and the Bootstrap for General Stationary Observations, Annals of Statistics 17, 1989). The drawn quantity
    is the time beyond what the sizes of the batches explain. Its sum over drawn blocks is a sum of independent terms,
    so its variance is known without drawing: n / b times the variance of the overlapping block sums, for n steps in
    blocks of b. The factor n / (n - b) removes the bias of blocks of a finite pass (Meketon and Schmeiser, Overlapping
    Batch Means, Proceedings of the Winter Simulation Conference, 1984).

    The error covers disturbances that are shorter than the pass. It does not cover other runs: slower changes of the
    machine move the whole pass.

    Args:
        seconds: duration of each step, in order.
        samples: sequences of each step.
        padded_tokens: padded tokens of each step.
    """
    steps, total = len(seconds), sum(seconds)
    if steps < BOOTSTRAP_STEPS or total <= 0:
        return None
    explained = explained_seconds(seconds, samples, padded_tokens)
    beyond = np.asarray(seconds) - explained * (total / explained.sum())
    block = block_steps(steps)
    sums = np.convolve(beyond, np.ones(block), mode="valid")
    variance = steps / block * float(np.mean(np.square(sums - sums.mean()))) * steps / (steps - block)
    return math.sqrt(variance) / total
