"""The rows of an insight that its chart draws, with their names, and notes on what is left out.

The data's fields have fixed names, as Vega-Lite reads a dot or bracket in a field's name as a path.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bench.method.insight import Chart, Insight, Value
from bench.report.charts.chart_parts import PANELS, first, rounded, thinned
from bench.report.charts.figure_text import distinct, plain
from bench.report.charts.look import LIGHT

#: Largest number on an axis; larger ones are left out, and those below the inverse are drawn as zero.
LARGEST = 1e100
#: Largest number of categories by part of a chart, and the categorical columns by kind of chart.
LIMITS = {"panel": PANELS, "colour": 24, "x": 60, "y": 60}
CATEGORIES: Mapping[str, tuple[str, ...]] = {"heatmap": ("x", "y"), "bars": ("x",), "lines": (), "scatter": ()}
#: Largest number of marks of a chart, and of points of a scatter plot.
MARKS, POINTS = 4000, 1000


class Mark(NamedTuple):
    """One row of the chart's columns; ``at`` and ``value`` are NaN if they are not numbers."""

    panel: Value
    colour: Value
    x: Value
    y: Value
    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of an insight that is drawn.

    Attributes:
        chart: description of the chart.
        rows: rows in the order of the columns.
        names: names of the categories on show, by part of the chart: panel, colour, x, y.
        notes: sentences on omissions and reference lines.
    """

    chart: Chart
    rows: Sequence[Mark]
    names: Mapping[str, Mapping[Value, str]]
    notes: Sequence[str]

    @property
    def panels(self) -> list[str]:
        """Names of the panels; empty without panels."""
        if self.chart.panel is None:
            return []
        told = self.names["panel"].items()
        return [name if isinstance(value, str) else plain(f"{self.chart.panel} {name}") for value, name in told]

    def domain(self, part: str) -> list[str]:
        """Names of the categories of x, y or colour."""
        return list(self.names[part].values())


def number(value: Value) -> float:
    """The value as a number to draw; NaN if it is not one."""
    if not isinstance(value, int | float) or not abs(value) <= LARGEST:
        return math.nan
    return rounded(float(value)) if abs(value) > 1 / LARGEST else 0.0


def select(insight: Insight, chart: Chart) -> Selection:
    """Select the rows that can be drawn."""
    rows, notes = _rows(insight, chart), []
    if chart.kind in ("lines", "scatter"):
        gaps = chart.kind == "lines"
        placed = [row for row in rows if math.isfinite(row.at) and (gaps or math.isfinite(row.value))]
        if len(placed) < len(rows):
            notes.append(f"{len(rows) - len(placed)} of {len(rows)} points have no place and are not drawn.")
        rows = placed
    names: dict[str, dict[Value, str]] = {"x": {}, "y": {}}
    for part in (*CATEGORIES[chart.kind], "colour", "panel"):
        most = LIMITS[part]
        if part == "panel":
            most = max(1, min(most, MARKS // math.prod(len(found) or 1 for found in names.values())))
        kept, sentences = first((getattr(row, part) for row in rows), most, f"categories of {part}")
        names[part], drawn = distinct(kept), set(kept)
        rows = [row for row in rows if getattr(row, part) in drawn]
        notes += sentences
    kept_rows = _fewer(rows, POINTS if chart.kind == "scatter" else MARKS)
    if len(kept_rows) < len(rows):
        notes.append(f"Drawn are {len(kept_rows)} of {len(rows)} points, evenly spread.")
    if chart.kind == "bars" and len(names["colour"]) > len(LIGHT):
        notes.append(f"Colours repeat after {len(LIGHT)}; bars stand in the order of the legend.")
    marks = {part: at for part in ("reference", "centre") if math.isfinite(at := number(getattr(chart, part)))}
    if chart.kind == "heatmap":
        marks.pop("reference", None)
    elif "reference" in marks:
        notes.append(f"The dashed line marks {plain(marks['reference'])}.")
    chart = chart.model_copy(update={"reference": None, "centre": None} | marks)
    return Selection(chart, kept_rows, names, notes)


def _rows(insight: Insight, chart: Chart) -> list[Mark]:
    columns, absent = insight.columns, (None,) * len(insight.columns[chart.x])
    colour = None if chart.kind == "heatmap" else chart.colour  # there the value is the colour
    panels, colours = (columns[name] if name is not None else absent for name in (chart.panel, colour))
    values = columns[chart.value] if chart.kind == "heatmap" and chart.value is not None else columns[chart.y]
    entries = zip(panels, colours, columns[chart.x], columns[chart.y], values, strict=True)
    return [Mark(panel, colour, x, y, number(x), number(value)) for panel, colour, x, y, value in entries]


def _fewer(rows: Sequence[Mark], most: int) -> list[Mark]:
    """At most so many rows, the same share of each colour in each panel."""
    if len(rows) <= most:
        return list(rows)
    groups: dict[tuple[Value, Value], list[Mark]] = {}
    for row in rows:
        groups.setdefault((row.panel, row.colour), []).append(row)
    return [row for group in groups.values() for row in thinned(group, max(2, most * len(group) // len(rows)))]


def values(selection: Selection) -> list[dict[str, Any]]:
    """The chart's data; a heatmap has one row per cell, where the last value counts."""
    names, panels = selection.names, selection.panels or [""]
    places = {value: place for place, value in enumerate(names["panel"])}
    values: dict[Any, dict[str, Any]] = {}
    if selection.chart.kind == "heatmap":
        cells = itertools.product(places.items(), names["y"].items(), names["x"].items())
        for (panel, place), (y, y_name), (x, x_name) in cells:
            values[panel, y, x] = {"panel": panels[place], "place": place, "y": y_name, "x": x_name, "value": None}
    for order, row in enumerate(selection.rows):
        value = row.value if math.isfinite(row.value) else None
        if selection.chart.kind == "heatmap":
            values[row.panel, row.y, row.x]["value"] = value
            continue
        place = places[row.panel]
        values[order] = {"panel": panels[place], "place": place, "x": names["x"].get(row.x, row.at), "value": value}
        if selection.chart.colour is not None:
            values[order]["colour"] = names["colour"][row.colour]
    return list(values.values())
