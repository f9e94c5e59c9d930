"""One number of a record: how it is read, named, formatted and compared, and where it appears."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from bench.record.record import Record
from bench.text.display import one_line

Dtype = Literal["string", "Int64", "Float64", "boolean"]
Kind = Literal["quality", "timed", "memory", "size", "exact"]
Place = Literal[
    "table2", "table2 csv", "table3", "table3 csv", "throughput", "latency", "efficiency csv", "use", "training work",
    "search", "train memory", "inference memory", "repeatability", "ratios", "page", "limits", "charts", "summary",
    "compare",
]  # fmt: skip


class Axis(NamedTuple):
    """A quantity on the axis of a chart.

    Attributes:
        name: axis title, with the unit.
        key: name in the chart's data; empty: the quantity's column.
        times: data units per column unit.
        per: data units per unit of ``name``.
        spread: whether the interval is drawn.
    """

    name: str
    key: str = ""
    times: float = 1
    per: float = 1
    spread: bool = False


class Brief(NamedTuple):
    """A quantity in the terminal summary.

    Attributes:
        header: up to two short lines.
        decimals: number of decimals below 1000; larger values have none.
        optional: whether a narrow terminal leaves the column out.
    """

    header: str
    decimals: int
    optional: bool = False


class Limit(NamedTuple):
    """A limit that a reader of the page can set on a quantity.

    Attributes:
        name: label.
        unit: unit of the limit.
        scale: column units per unit of the limit.
        without_training: column that a method without training is held to; empty: the quantity's own.
    """

    name: str
    unit: str
    scale: float = 1
    without_training: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a record.

    Attributes:
        column: name in tables and registry, ending in its unit; with a spread, tables append _mean, _std, _low, _high.
        header: column header, up to two lines.
        value: reader of the record, in the data frame's unit (SI or bytes); it gives None if unknown.
        fields: fields of the record under which ``unknown`` may explain a missing value.
        decimals: minimum number of decimals shown.
        spread: whether the standard deviation is shown, and the csv has it and an interval; one value has neither.
        scale: column units per unit of the header.
        largest: upper bound in the column's unit; the lower bound is 0.
        explain: reason for a missing value that ``unknown`` does not give; None if there is no such reason.
        convert: conversion from the data frame's unit to the column's; None: same unit.
        frame: column of the data frame; empty: none.
        dtype: type of that column.
        meaning: description of that column.
        better: better direction; None: neither.
        kind: how ``tunebench compare`` judges it. Quality is compared by difference, other kinds relative to A.
            Quality depends on the data; times and memory also on the machine; sizes and exact quantities on neither.
            Exact quantities have no noise.
        axis: chart axis.
        brief: column of the terminal summary.
        limit: limit on the page.
        places: places where it appears, each with its sort key there.
        wanted: condition that at least one record must meet for tables and page to show it; None: always shown.
    """

    column: str
    header: str
    value: Callable[[Record], Any]
    fields: tuple[str, ...]
    decimals: int
    spread: bool = False
    scale: float = 1
    largest: float = math.inf
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
    def is_whole(self) -> bool:
        """Whether tables hold whole numbers of it."""
        return self.dtype == "Int64" and self.convert is None and not self.spread

    @property
    def label(self) -> str:
        """The header on one line."""
        return self.header.replace("\n", " ")

    def read(self, record: Record) -> float | None:
        """The value in the column's unit; None if unknown."""
        value = self.value(record)
        return value if value is None or self.convert is None else self.convert(value)

    def values(self, records: Sequence[Record]) -> list[float | None]:
        """The value of each record in the column's unit; None if unknown."""
        return [self.read(record) for record in records]

    def in_frame(self, row: Sequence[Record]) -> list[Any]:
        """The values of a row's records in the data frame's unit."""
        return [self.value(record) for record in row]

    @property
    def is_predicted(self) -> bool:
        """Whether it is computed from predictions."""
        return "quality" in self.fields or "generation" in self.fields

    def why_not(self, record: Record) -> str:
        """The reason why a record has no value, for a footnote."""
        if self.explain is not None and (reason := self.explain(record)):
            return reason
        reasons = [record.unknown[field] for field in self.fields if field in record.unknown]
        return one_line(reasons[0], 160) if reasons else f"the record gives no {self.fields[0]} and no reason"

    def written(self, centre: float, std: float | None) -> str:
        """Format a value with fixed decimals, or three significant digits if it is small."""
        centre, std = centre / self.scale, None if std is None else std / self.scale
        places = self.decimals
        if self.largest != 1 and 0 < abs(centre) < 10 ** (1 - self.decimals):
            places = max(places, 2 - math.floor(math.log10(abs(centre))))
        if std is not None:
            return f"{centre:.{places}f} ± {std:.{places}f}"
        text = f"{centre:.{places}f}"
        return text.rstrip("0").rstrip(".") if places > self.decimals else text
