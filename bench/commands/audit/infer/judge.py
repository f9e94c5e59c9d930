"""Judge whether a column of peaks identifies the conditions of its rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.commands.audit.infer.chance import chance_of_fit, plain_offset
from bench.commands.audit.infer.fit import MARGIN, Figures, Fit, all_fits, best_fit

#: Rows that differ in more than their dataset: fewer cannot fix batch size, precision and attention.
FEWEST_DISTINCT = 3
#: The fraction of the rows that one explanation must reproduce.
FEWEST_ROWS = 2 / 3
#: A fit that more than this fraction of random columns reach says nothing.
MOST_CHANCE = 0.01
#: Explanations whose errors differ by less than this explain the figures equally well.
EQUAL = 0.005
#: If the equally good explanations agree on neither of these, the conditions are not identifiable.
DECISIVE = ("batch size", "precision")

Factors = Callable[[Fit], Mapping[str, str]]
"""The value of each condition in an explanation, by its name."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a column of peaks says about the conditions.

    Attributes:
        best: the best explanation.
        fitting: which rows it explains, shape (rows,).
        fits: all explanations of these rows within the margin, the best first.
        open: names of the conditions in which equally good explanations differ.
        why_not: why the conditions are not identifiable; None if they are.
    """

    best: Fit
    fitting: NDArray[np.bool_]
    fits: tuple[Fit, ...]
    open: tuple[str, ...]
    why_not: str | None


def judge(figures: Figures, factors: Factors) -> Judged:
    """Find the best explanation and decide whether it identifies the conditions.

    Args:
        figures: printed and predicted peaks.
        factors: the conditions of an explanation.
    """
    errors = figures.errors()
    best, fitting = best_fit(errors)
    fits = tuple(all_fits(errors, fitting)) if fitting.any() else ()
    open_factors = _open(fits, factors)
    return Judged(best, fitting, fits, open_factors, _why_not(figures, best, fitting, open_factors))


def _open(fits: tuple[Fit, ...], factors: Factors) -> tuple[str, ...]:
    equal = [factors(fit) for fit in fits if fit.error <= fits[0].error + EQUAL]
    return tuple(name for name in equal[0] if len({values[name] for values in equal}) > 1) if equal else ()


def _why_not(figures: Figures, best: Fit, fitting: NDArray[np.bool_], open_factors: tuple[str, ...]) -> str | None:
    rows, explained = len(fitting), int(fitting.sum())
    distinct = len(set(figures.columns[fitting].tolist()))
    if distinct < FEWEST_DISTINCT or explained < FEWEST_ROWS * rows:
        return (
            f"no conditions and batch size reproduce more than {explained} of {rows} rows within {MARGIN:.1%}; "
            "the rows were not run alike, or under other conditions"
        )
    chance = chance_of_fit(figures, explained, best.error)
    if chance > MOST_CHANCE:
        return f"{chance:.0%} of random columns are reproduced as closely"
    offset = plain_offset(figures, fitting, best.error)
    if offset is not None:
        return (
            f"a plain offset of {offset / 2**20:.0f} MiB beside weights, gradients and optimizer state reproduces the "
            "rows as closely"
        )
    if all(name in open_factors for name in DECISIVE):
        return f"explanations that differ in {', '.join(open_factors)} reproduce the rows equally well"
    return None
