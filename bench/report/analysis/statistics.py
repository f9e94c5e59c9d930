"""Mean, spread and interval of a quantity over the seeds of a row."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.record.record import Record
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.significance import possible, student_interval

Pair = TypeVar("Pair", bound=tuple[Record, Any])


def mean_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Arithmetic mean and sample standard deviation (n - 1), both in the unit of the values.

    Returns:
        The mean, and the deviation or None for a single value.

    Raises:
        ValueError: there are no values, or one is not finite.
    """
    if not values:
        raise ValueError("mean of no values")
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"mean of values that are not all finite: {list(values)}")
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def by_row(records: Iterable[Record]) -> list[list[Record]]:
    """Group records by row, keeping their order; within a row only seed and repeat differ."""
    rows: dict[str, list[Record]] = {}
    for record in records:
        rows.setdefault(record.cell.row_id, []).append(record)
    return list(rows.values())


def measured(row: Iterable[Record]) -> list[Record]:
    """The successful records of a row."""
    return [record for record in row if record.status == "ok"]


def first_of_each_seed(row: Iterable[Pair]) -> list[Pair]:
    """The first entry of each seed, as repeats are not independent; entries begin with a record."""
    found: dict[int, Pair] = {}
    for pair in row:
        found.setdefault(pair[0].cell.seed, pair)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Spread:
    """One quantity over the seeds of a row, in the column's unit.

    Attributes:
        mean: mean over the cells with a value; of predicted quantities, one cell per seed; None without values.
        std: sample standard deviation; None below two values.
        low: lower end of Student's interval of the mean over seeds and repeats; None below two values.
        high: upper end of the mean's interval.
        known: number of cells with a value.
        reasons: distinct reasons why other cells have none.
    """

    mean: float | None
    std: float | None
    low: float | None
    high: float | None
    known: int
    reasons: tuple[str, ...]


def over_seeds(records: Sequence[Record], quantity: Quantity) -> Spread:
    """Summarise one quantity over the successful cells of one row."""
    values = quantity.values(records)
    unknown = [record for record, value in zip(records, values, strict=True) if value is None]
    known = [(record, value) for record, value in zip(records, values, strict=True) if value is not None]
    apart = [value for _, value in (first_of_each_seed(known) if quantity.is_predicted else known)]
    mean, std = mean_std(apart) if apart else (None, None)
    low, high = possible(student_interval(apart), quantity.largest) if len(apart) > 1 else (None, None)
    return Spread(mean, std, low, high, len(known), tuple(dict.fromkeys(map(quantity.why_not, unknown))))
