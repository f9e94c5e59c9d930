"""Simpler explanations of a column of peaks: chance, and a plain offset."""

import numpy as np
from numpy.typing import NDArray

from bench.commands.audit.infer.fit import Figures

#: Number of columns that are drawn, and their seed.
DRAWS, SEED = 400, 0
#: Printed peaks are multiplied by a factor between 1 / SPREAD and SPREAD.
SPREAD = 2.0
#: Offsets that are tried between the lowest and the highest that one row needs.
OFFSETS = 201
#: A fit counts as no closer than this, because print and prediction are no more exact.
CLOSEST = 0.0025


def chance_of_fit(figures: Figures, fitting_rows: int, error: float) -> float:
    """Fraction of random columns that some conditions fit as well as the printed one.

    A random column has the printed peaks, each multiplied by a random factor (log-uniform); rows that differ only in
    their dataset share a factor, because their peaks are about equal under any conditions.

    Args:
        figures: printed and predicted peaks.
        fitting_rows: number of rows that fit.
        error: the highest relative difference of these rows.
    """
    random = np.random.default_rng(SEED)
    as_good = 0
    for _ in range(DRAWS):
        factors = SPREAD ** random.uniform(-1, 1, figures.peaks.shape[1])
        errors = figures.errors(figures.printed * factors[figures.columns])
        as_good += bool(((errors <= max(error, CLOSEST)).sum(axis=2) >= fitting_rows).any())
    return as_good / DRAWS


def plain_offset(figures: Figures, rows: NDArray[np.bool_], error: float) -> float | None:
    """An offset in bytes that explains the rows as closely as the best conditions do; None if there is none.

    The offset is added to what a row holds without any activations: weights, gradients and optimizer state. If it is
    enough, the column tells nothing about activations, which all conditions but the precision act on.

    Args:
        figures: printed and predicted peaks.
        rows: rows to explain, shape (rows,).
        error: the highest relative difference under the best conditions.
    """
    states = np.unique(figures.peaks[:, :, 0], axis=0)[:, figures.columns[rows]]
    for scale in figures.units.values():
        printed = figures.printed[rows] * scale
        for state in states[~np.isnan(states).any(axis=1)]:
            missing = printed - state
            offsets = np.linspace(max(missing.min(), 0.0), max(missing.max(), 0.0), OFFSETS)
            worst = np.abs((state[None] + offsets[:, None]) / printed - 1).max(axis=1)
            if worst.min() <= max(error, CLOSEST):
                return float(offsets[worst.argmin()])
    return None
