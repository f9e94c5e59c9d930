"""What several records say together: a quantity's centre, spread and interval over the seeds of a row."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from scipy.special import stdtrit

from bench.record.record import Estimate, Record
from bench.text.display import one_line

LEVEL = 0.95
Pair = TypeVar("Pair", bound=tuple[Record, Any])


def mean_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Arithmetic mean and sample standard deviation (n - 1), both in the unit of the values.

    Returns:
        The mean, and the deviation or None where there is one value alone.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    if not values:
        raise ValueError("mean of no values")
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"mean of values that are not all finite: {list(values)}")
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def student_interval(values: Sequence[float]) -> tuple[float, float]:
    """Interval of the mean of several values: mean ± t(0.975, S - 1) s / sqrt(S) of S of them.

    Student (The Probable Error of a Mean, Biometrika 6, 1908, pages 1 to 25): exact at any number of values where they
    are independent and normally distributed. Without spread it has no width.

    Args:
        values: one for each seed, two or more; paired differences among them.
    """
    mean, count = statistics.fmean(values), len(values)
    margin = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * statistics.stdev(values) / math.sqrt(count)
    return mean - margin, mean + margin


def by_row(records: Iterable[Record]) -> list[list[Record]]:
    """Records of one row together, rows and seeds in the order in which they come.

    Only the seed may differ within a row: the same names under other settings are another row.
    """
    rows: dict[str, list[Record]] = {}
    for record in records:
        rows.setdefault(record.cell.row_id, []).append(record)
    return list(rows.values())


def measured(row: Iterable[Record]) -> list[Record]:
    """The records of a row that succeeded."""
    return [record for record in row if record.status == "ok"]


def first_of_each_seed(row: Iterable[Pair]) -> list[Pair]:
    """What speaks for each seed, of records and what goes with them: repeats are not independent, so the first does."""
    found: dict[int, Pair] = {}
    for pair in row:
        found.setdefault(pair[0].cell.seed, pair)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Quantity:
    """One column of numbers.

    Attributes:
        column: name in a frame, its unit at the end; with a spread it is followed by _mean, _std, _low and _high.
        header: what readers see, in two lines.
        read: from the record, in the frame's unit; None where unknown.
        fields: of the record; ``unknown`` says under one of them why there is no value.
        decimals: shown at least.
        spread: the standard deviation is shown, and the frame has it and an interval.
        scale: units of the frame in one unit of the header.
        largest: that it can be, in the frame's unit; no quantity is below 0.
        windowed: the same from windows of consecutive steps, read instead where all seeds of a row have it.
        explain: why there is no value, where the record shows it otherwise than by ``unknown``; else None.
    """

    column: str
    header: str
    read: Callable[[Record], float | None]
    fields: tuple[str, ...]
    decimals: int
    spread: bool = False
    scale: float = 1
    largest: float = math.inf
    windowed: Callable[[Record], Estimate | None] | None = None
    explain: Callable[[Record], str | None] | None = None

    @property
    def centre(self) -> str:
        """The frame's column that holds the value."""
        return f"{self.column}_mean" if self.spread else self.column

    def estimates(self, records: Sequence[Record]) -> list[Estimate | None] | None:
        """By record, from windows where the quantity is known; None where a record that knows it has no windows."""
        if self.windowed is None:
            return None
        known = [record for record in records if self.read(record) is not None]
        if not known or any(self.windowed(record) is None for record in known):
            return None
        return [None if self.read(record) is None else self.windowed(record) for record in records]

    def values(self, records: Sequence[Record]) -> list[float | None]:
        """By record, all read alike; None where unknown."""
        estimates = self.estimates(records)
        if estimates is None:
            return [self.read(record) for record in records]
        return [estimate.median if estimate else None for estimate in estimates]

    @property
    def is_predicted(self) -> bool:
        """Whether predictions settle it."""
        return "quality" in self.fields or "generation" in self.fields

    def why_not(self, record: Record) -> str:
        """The reason why a record has no value, in words for a footnote."""
        predicted = "quality" in self.fields or ("generation" in self.fields and record.generation is not None)
        if predicted and record.cell.model.weights == "random":
            return "random weights have no quality worth reading"
        if self.explain is not None and (reason := self.explain(record)):
            return reason
        reasons = [record.unknown[field] for field in self.fields if field in record.unknown]
        return one_line(reasons[0], 160) if reasons else f"the record gives no {self.fields[0]} and no reason"

    def written(self, centre: float, std: float | None) -> str:
        """The value as readers see it: fixed decimals, but three significant digits of a small amount."""
        centre, std = centre / self.scale, None if std is None else std / self.scale
        places = self.decimals
        if self.largest != 1 and 0 < abs(centre) < 10 ** (1 - self.decimals):
            places = max(places, 2 - math.floor(math.log10(abs(centre))))
        if std is not None:
            return f"{centre:.{places}f} ± {std:.{places}f}"
        text = f"{centre:.{places}f}"
        return text.rstrip("0") if places > self.decimals else text


@dataclass(frozen=True, slots=True)
class Spread:
    """One quantity over the seeds of a row, in the frame's unit.

    Attributes:
        mean: over the cells that know it, of what is predicted over their seeds; None where none does.
        std: sample standard deviation; None below two values.
        low: end of the interval of the mean: Student's over seeds; of one seed that of its windows; None where neither.
        high: its other end.
        known: number of cells that know it.
        reasons: why the others do not, each once.
    """

    mean: float | None
    std: float | None
    low: float | None
    high: float | None
    known: int
    reasons: tuple[str, ...]


def over_seeds(records: Sequence[Record], quantity: Quantity) -> Spread:
    """Summarise one quantity over the measured cells of one row."""
    values = quantity.values(records)
    unknown = [record for record, value in zip(records, values, strict=True) if value is None]
    known = [(record, value) for record, value in zip(records, values, strict=True) if value is not None]
    apart = [value for _, value in (first_of_each_seed(known) if quantity.is_predicted else known)]
    mean, std = mean_std(apart) if apart else (None, None)
    low, high = _interval(records, quantity, apart) or (None, None)
    return Spread(mean, std, low, high, len(known), tuple(dict.fromkeys(map(quantity.why_not, unknown))))


def _interval(records: Sequence[Record], quantity: Quantity, known: Sequence[float]) -> tuple[float, float] | None:
    """Ends of the interval of the mean, cut to what the quantity can be."""
    if len(known) > 1:
        return possible(student_interval(known), quantity.largest)
    for estimate in quantity.estimates(records) or ():
        if estimate is not None and estimate.low is not None and estimate.high is not None:
            return estimate.low, estimate.high
    return None


def possible(ends: tuple[float, float], largest: float = math.inf) -> tuple[float, float]:
    """An interval without what is below 0 or above the largest: it holds the true value as often as before."""
    return max(0.0, ends[0]), min(largest, ends[1])
