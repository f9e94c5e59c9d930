"""Compare printed peaks with those predicted under every condition, in every unit and at every batch size."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: A row fits if its predicted peak differs from the printed one by at most this fraction of the printed one.
MARGIN = 0.025


@dataclass(frozen=True, slots=True)
class Figures:
    """Printed peaks and the predictions for them.

    Attributes:
        printed: numbers as printed, shape (rows,).
        columns: index into the second dimension of ``peaks`` by row; rows that differ only in their dataset share one.
        units: bytes of each possible unit, by its name.
        peaks: predicted bytes, shape (conditions, distinct rows, batch sizes); index 0 of the last is batch size 0.
    """

    printed: Floats
    columns: NDArray[np.int64]
    units: Mapping[str, float]
    peaks: Floats

    def errors(self, printed: Floats | None = None) -> Floats:
        """Relative difference of prediction and print, shape (units, conditions, rows, batch sizes from 1).

        Args:
            printed: other numbers in the place of the printed ones, shape (rows,).
        """
        numbers = self.printed if printed is None else printed
        scales = np.array(list(self.units.values()))[:, None, None, None]
        ratios = self.peaks[None, :, self.columns, 1:] / (numbers[:, None] * scales)
        errors: Floats = np.nan_to_num(np.abs(ratios - 1), nan=np.inf)
        return errors


@dataclass(frozen=True, slots=True, order=True)
class Fit:
    """One explanation of the printed peaks.

    Attributes:
        error: the highest relative difference of the rows that it is to explain.
        unit: index of the unit.
        condition: index of the conditions.
        batch: batch size.
    """

    error: float
    unit: int
    condition: int
    batch: int


def best_fit(errors: Floats, margin: float = MARGIN) -> tuple[Fit, NDArray[np.bool_]]:
    """The explanation that fits most rows within the margin, and of these the one with the smallest highest error.

    Args:
        errors: see ``Figures.errors``.
        margin: highest relative difference of a row that fits.

    Returns:
        The explanation, whose error is that of the rows that fit; and which rows fit, shape (rows,).
    """
    fits = errors <= margin
    worst = np.where(fits, errors, 0).max(axis=2)
    # More rows come first; the error, which is at most the margin, decides among equal numbers of rows.
    order = fits.sum(axis=2) - worst / (2 * margin)
    unit, condition, batch = (int(index) for index in np.unravel_index(np.argmax(order), order.shape))
    found = Fit(float(worst[unit, condition, batch]), unit, condition, batch + 1)
    return found, fits[unit, condition, :, batch]


def all_fits(errors: Floats, rows: NDArray[np.bool_], margin: float = MARGIN) -> list[Fit]:
    """Every explanation of the given rows within the margin, the best first.

    Args:
        errors: see ``Figures.errors``.
        rows: rows to explain, shape (rows,).
        margin: highest relative difference of a row.
    """
    worst = errors[:, :, rows].max(axis=2)
    places = np.argwhere(worst <= margin)
    return sorted(Fit(float(worst[tuple(p)]), int(p[0]), int(p[1]), int(p[2]) + 1) for p in places)


def batches_of_row(errors: Floats, row: int, fit: Fit, margin: float = MARGIN) -> list[int]:
    """Batch sizes at which a single row fits in the unit and under the conditions of an explanation.

    Args:
        errors: see ``Figures.errors``.
        row: index of the row.
        fit: explanation of other rows.
        margin: highest relative difference.
    """
    return (np.flatnonzero(errors[fit.unit, fit.condition, row] <= margin) + 1).tolist()
