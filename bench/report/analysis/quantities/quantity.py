"""One number of a record: how it is read, named, printed and judged, and where it appears."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from bench.record.record import Estimate, Record
from bench.text.display import one_line

Dtype = Literal["string", "Int64", "Float64", "boolean"]
Kind = Literal["quality", "timed", "memory", "size", "exact"]
Place = Literal[
    "table2", "table2 csv", "table3", "throughput", "latency", "use", "train memory", "inference memory",
    "repeatability", "ratios", "page", "limits", "charts", "summary", "compare",
]  # fmt: skip


class Axis(NamedTuple):
    """A quantity on the axis of a chart.

    Attributes:
        name: for readers, with the unit.
        key: name in the data of charts; empty: the quantity's column.
        times: units of the data in one unit of the column.
        per: units of the data in one unit of the name.
        spread: the interval is drawn.
    """

    name: str
    key: str = ""
    times: float = 1
    per: float = 1
    spread: bool = False


class Brief(NamedTuple):
    """A quantity in the summary on a terminal.

    Attributes:
        header: in up to two short lines.
        decimals: number of decimals below 1000; none above.
        optional: a narrow terminal leaves the column out.
    """

    header: str
    decimals: int
    optional: bool = False


class Limit(NamedTuple):
    """A quantity that a reader of the page may limit.

    Attributes:
        name: in words.
        unit: of the limit.
        scale: units of the column in one unit of the limit.
    """

    name: str
    unit: str
    scale: float = 1


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a record.

    Attributes:
        column: name in tables and in the registry, its unit at the end; with a spread it is followed by _mean, _std,
            _low and _high.
        header: what readers see, in up to two lines.
        value: from the record, in the unit of the data frame, which is SI or bytes; None where unknown.
        fields: of the record; ``unknown`` says under one of them why there is no value.
        decimals: shown at least.
        spread: the standard deviation is shown, and the table's csv has it and an interval.
        scale: units of the column in one unit of the header.
        largest: that it can be, in the column's unit; no quantity is below 0.
        windowed: the same from windows of consecutive steps, read instead where all seeds of a row have it.
        explain: why there is no value, where the record shows it otherwise than by ``unknown``; else None.
        convert: from the unit of the data frame to that of the column; None: they are the same.
        frame: column of the data frame; empty: it has none.
        dtype: of that column.
        meaning: of that column, for readers.
        better: which way is better; None: neither.
        kind: how ``tunebench compare`` judges it. A quality is compared by difference, the others relative to A.
            Quality depends on the data; what is timed, and memory, also on the machine; sizes and what is exact on
            neither. What is exact has no noise.
        axis: how charts show it.
        brief: how the summary on a terminal shows it.
        limit: how the page limits it.
        places: where it appears, with its rank in the order there.
        wanted: tables and the page have it only where this holds for one of their records; None: always.
    """

    column: str
    header: str
    value: Callable[[Record], Any]
    fields: tuple[str, ...]
    decimals: int
    spread: bool = False
    scale: float = 1
    largest: float = math.inf
    windowed: Callable[[Record], Estimate | None] | None = None
    explain: Callable[[Record], str | None] | None = None
    convert: Callable[[float], float] | None = None
    frame: str = ""
    dtype: Dtype = "Float64"
    meaning: str = ""
    better: Literal["higher", "lower"] | None = None
    kind: Kind | None = None
    axis: Axis | None = None
    brief: Brief | None = None
    limit: Limit | None = None
    places: Mapping[Place, int] = field(default_factory=dict)
    wanted: Callable[[Record], bool] | None = None

    @property
    def centre(self) -> str:
        """The table's column that holds the value."""
        return f"{self.column}_mean" if self.spread else self.column

    @property
    def label(self) -> str:
        """The header on one line."""
        return self.header.replace("\n", " ")

    def read(self, record: Record) -> float | None:
        """The value in the column's unit; None where unknown."""
        value = self.value(record)
        return value if value is None or self.convert is None else self.convert(value)

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

    def in_frame(self, row: Sequence[Record]) -> list[Any]:
        """The values of a row's records in the unit of the data frame."""
        return [self.value(record) for record in row] if self.windowed is None else self.values(row)

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
