"""Metrics that the axes of a study's figures can show: columns of the frame, units and better direction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.report.analysis.quantities import QUANTITIES
from bench.report.charts.chart_parts import number, rounded

FrameRow = Mapping[Any, Any]
"""One row of a frame by column, unknown as NA."""
#: A scale is logarithmic if the largest value exceeds this many times the smallest.
DECADES = 100
#: Pixels between the outermost points and the ends of an axis, and number format of powers of ten.
PADDING, FORM = 12, ",.6~g"


@dataclass(frozen=True, slots=True)
class Metric:
    """One quantity of a row.

    Attributes:
        column: column of the frame; with a spread followed by _mean, _low and _high.
        name: name with the unit.
        less: whether smaller is better.
        spread: whether the frame has its interval.
        unit: frame units per unit of the name.
    """

    column: str
    name: str
    less: bool = True
    spread: bool = False
    unit: float = 1

    @property
    def title(self) -> str:
        """Title of an axis."""
        return f"{self.name}, {'less' if self.less else 'more'} is better"

    def of(self, row: FrameRow) -> tuple[float | None, float | None, float | None]:
        """The value and the ends of its interval; None if unknown."""
        columns = [f"{self.column}_{end}" for end in ("mean", "low", "high")] if self.spread else [self.column]
        found = [number(row.get(column)) for column in columns]
        value, low, high = (None if each is None else rounded(each / self.unit) for each in (*found, None, None)[:3])
        return value, low, high

    def encoding(self, values: Sequence[tuple[float | None, ...]]) -> dict[str, Any]:
        """Encoding of Vega-Lite, without the field.

        The scale is logarithmic if the values span more than two decades, and linear near zero if some are zero.
        """
        scale: dict[str, Any] = {"nice": False, "padding": PADDING}
        axis: dict[str, Any] = {"type": "quantitative", "title": self.title, "scale": scale | {"zero": False}}
        known = [value[0] for value in values if value[0] is not None]
        positive = [value for value in known if value > 0]
        if not positive or min(known) < 0 or max(positive) <= DECADES * min(positive):
            return axis
        ends = [end for value in values for end in value if end is not None]
        powers = [10.0**power for power in range(-12, 16) if min(positive) / 10 < 10.0**power <= 10 * max(positive)]
        kind: dict[str, Any] = {"type": "log"}
        if min(ends) <= 0:
            kind, powers = {"type": "symlog", "constant": min(positive) / 2}, [0.0, *powers]
        ticks = {"values": powers, "tickCount": len(powers), "format": FORM}  # Vega thins values to the count
        return axis | {"scale": scale | kind, "axis": ticks}


def metrics() -> dict[str, Metric]:
    """The metrics by name in the data of charts."""
    found = [(quantity, quantity.axis) for quantity in QUANTITIES.of("charts") if quantity.axis]
    return {
        (key := axis.key or quantity.column): Metric(key, axis.name, quantity.better != "higher", axis.spread, axis.per)
        for quantity, axis in found
    }
