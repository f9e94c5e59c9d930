"""The chart of an insight as a Vega-Lite spec."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from bench.method.insight import Insight, Value
from bench.report.charts import chart_parts as parts
from bench.report.charts import look
from bench.report.charts.figure_text import LABEL, longest, plain, tip
from bench.report.charts.insight_rows import CATEGORIES, Selection, select, values

#: Largest heatmap whose cells show their values, and longest line whose points are marked.
WRITTEN, MARKED = 100, 30
#: Shape over a heatmap cell with an unknown value.
SLASH = "M-1,1L1,-1"
#: Number format: four significant digits.
NUMBER = ",.4~g"


def spec(insight: Insight) -> dict[str, Any]:
    """The chart of an insight, or a chart that says "no data".

    Raises:
        ValueError: the insight has no chart.
    """
    if insight.chart is None:
        raise ValueError(f"insight {insight.name} has no chart")
    selection = select(insight, insight.chart)
    chart, caption = selection.chart, " ".join((insight.caption, *selection.notes))
    if not any(math.isfinite(row.value) for row in selection.rows):
        return parts.nothing(insight.title, caption)
    view = DRAW[chart.kind](selection)
    if chart.reference is not None:
        view["layer"].append(parts.level(chart.reference, "reference"))
    number = "value" if chart.kind == "heatmap" else "y"
    columns = _categories(selection) | {"x": chart.x_label, "value": getattr(chart, f"{number}_label")}
    whole = parts.framed(insight.title, caption, values(selection), view, selection.panels, columns)
    return whole if _share_scale(selection) else whole | parts.INDEPENDENT


def _heatmap(selection: Selection) -> dict[str, Any]:
    """A cell per pair of categories, coloured by value; small heatmaps show values, unknown ones are struck through."""
    chart, xs, ys = selection.chart, selection.domain("x"), selection.domain("y")
    written = len(xs) * len(ys) <= WRITTEN
    wide, high = (min(60.0, max(36.0, longest(xs) + 10)), 20) if written else (min(16.0, max(6.0, 480 / len(xs))), 12)
    size = {"width": round(wide * len(xs)), "height": round(high * len(ys))}
    found = [row.value for row in selection.rows if math.isfinite(row.value)]
    scale = {"domain": _ends(found, chart.centre), "range": "heatmap" if chart.centre is None else "diverging"}
    legend = {"title": plain(chart.value_label, LABEL), "format": NUMBER, "tickCount": 5}
    at = {"x": _along(xs, chart.x_label, size["width"]), "y": _along(ys, chart.y_label, size["height"], upright=False)}
    tips = [*_tips(selection), tip("value", chart.value_label, NUMBER)]
    colour = {"field": "value", "type": "quantitative", "scale": scale | {"interpolate": "rgb"}, "legend": legend}
    known, unknown = ({"filter": f"{sign}isValid(datum.value)"} for sign in ("", "!"))
    layers: list[dict[str, Any]] = [
        {"transform": [known], "mark": {"type": "rect", "style": "parted", "aria": False},
         "encoding": at | {"color": colour, "tooltip": tips}},
        {"transform": [unknown], "mark": {"type": "point", "style": "unknown", "shape": SLASH, "size": high * high / 2,
                                          "aria": False}, "encoding": at | {"tooltip": tips[:-1]}},
    ]  # fmt: skip
    if written:
        paper = {"expr": "luminance(scale('color', datum.value)) < 0.2 ? 'white' : 'black'"}
        layers.append(
            {"transform": [known], "mark": {"type": "text", "color": paper, "aria": False},
             "encoding": at | {"text": {"field": "value", "type": "quantitative", "format": _form(found)}}}
        )  # fmt: skip
    return size | {"layer": layers}


def _bars(selection: Selection) -> dict[str, Any]:
    """A bar from zero for each number; bars of one x category stand side by side."""
    chart, xs, colours = selection.chart, selection.domain("x"), selection.domain("colour")
    size = {"width": round(min(660.0, max(140.0, len(xs) * max(14.0, 7.0 * len(colours))))), "height": 150}
    encoding = {"x": _along(xs, chart.x_label, size["width"]), "y": _across("value", chart.y_label, size["height"])}
    if chart.colour is not None:
        encoding |= parts.category("colour", colours, plain(chart.colour), max(size["width"], parts.NARROWEST))
        encoding["xOffset"] = {"field": "colour", "type": "nominal", "scale": {"domain": colours}}
    tips = {"tooltip": [*_tips(selection), tip("value", chart.y_label, NUMBER)]}
    bars = {"mark": {"type": "bar", "aria": False}, "encoding": encoding | tips}
    return size | {"layer": [bars, parts.level(0, "zero")]}


def _lines(selection: Selection) -> dict[str, Any]:
    """A line for each colour; an unknown number leaves a gap."""
    lines = len({(row.panel, row.colour) for row in selection.rows})
    few = len(selection.rows) <= MARKED * lines or any(math.isnan(row.value) for row in selection.rows)
    mark = {"type": "line", "aria": False, "point": {"size": 20, "aria": False} if few else False}
    return _plane(selection, mark, (145, 115), "strokeDash")


def _scatter(selection: Selection) -> dict[str, Any]:
    """A point for each row."""
    mark = {"type": "point", "aria": False, "size": round(min(50.0, max(9.0, 8000 / len(selection.rows))))}
    return _plane(selection, mark, (145, 145), "shape")


DRAW: Mapping[str, Callable[[Selection], dict[str, Any]]] = {
    "heatmap": _heatmap, "bars": _bars, "lines": _lines, "scatter": _scatter,
}  # fmt: skip


def _plane(
    selection: Selection, mark: Mapping[str, Any], small: tuple[int, int], also: Literal["shape", "strokeDash"]
) -> dict[str, Any]:
    """Marks over two numeric axes, at the small size if there are many panels."""
    chart, panels = selection.chart, len(selection.names["panel"])
    wide, high = (430, 240) if panels == 1 else (290, 190) if panels == 2 else (195, 150) if panels <= 6 else small
    encoding = {"x": _across("x", chart.x_label, wide), "y": _across("value", chart.y_label, high)}
    for axis in encoding.values():
        axis["scale"] = {"zero": False}
    if chart.colour is not None:
        room = parts.columns_of(panels, wide) * (wide + parts.SPACING)
        encoding |= parts.category("colour", selection.domain("colour"), plain(chart.colour), room, also)
    tips = [tip("x", chart.x_label, NUMBER), tip("value", chart.y_label, NUMBER)]
    layer = {"mark": dict(mark), "encoding": encoding | {"tooltip": [*_tips(selection), *tips]}}
    return {"width": wide, "height": high, "layer": [layer]}


def _along(names: Sequence[str], title: str, size: float, *, upright: bool = True) -> dict[str, Any]:
    """Position by category; names that would overlap are slanted."""
    axis: dict[str, Any] = {"title": plain(title, LABEL), "titleLimit": max(look.SHORTEST_LIMIT, round(size))}
    room = size / len(names)
    if upright and min(longest(names), look.LABEL) + 4 > room:
        axis |= {"labelAngle": -45, "values": list(names[:: math.ceil(look.LINE / room)])}
    elif upright:
        axis |= {"labelAngle": 0}
    field = "x" if upright else "y"
    return {"field": field, "type": "nominal", "scale": {"domain": list(names)}, "axis": axis}


def _across(field: str, title: str, size: float) -> dict[str, Any]:
    """Position by a number."""
    axis = {"title": plain(title, LABEL), "titleLimit": max(look.SHORTEST_LIMIT, round(size))}
    return {"field": field, "type": "quantitative", "axis": axis}


def _categories(selection: Selection) -> dict[str, str]:
    """Titles of the data's categorical fields."""
    chart = selection.chart
    named = {"panel": chart.panel, "colour": None if chart.kind == "heatmap" else chart.colour}
    named |= {part: getattr(chart, f"{part}_label") for part in CATEGORIES[chart.kind]}
    return {part: title for part, title in named.items() if title is not None}


def _tips(selection: Selection) -> list[dict[str, str]]:
    """Tooltip lines of the categories."""
    return [tip(part, title) for part, title in _categories(selection).items()]


def _ends(values: Sequence[float], centre: float | None) -> list[float]:
    """Ends of a heatmap's scale, symmetric about the centre if there is one."""
    if centre is not None:
        reach = max(abs(value - centre) for value in values) or abs(centre) or 1.0
        return [centre - reach, centre + reach]
    low, high = min(values), max(values)
    beyond = 0.0 if low < high else abs(low) or 1.0
    return [low - beyond, high + beyond]


def _form(values: Sequence[float]) -> str:
    """Number format of a heatmap: as many decimals as three digits of the largest value need."""
    largest = max(map(abs, values))
    if not 0.01 <= largest < 1e5:
        return ".2~g"
    whole = all(value == round(value) for value in values)
    return f".{0 if whole else min(2, max(0, 2 - math.floor(math.log10(largest))))}f"


def _share_scale(selection: Selection) -> bool:
    """Whether the numbers of all panels are readable on one scale."""
    if selection.chart.kind in ("heatmap", "bars"):
        return True
    for part in ("at", "value"):
        largest: dict[Value, float] = {}
        for row in selection.rows:
            if math.isfinite(size := abs(getattr(row, part))):
                largest[row.panel] = max(largest.get(row.panel, 0.0), size)
        if any(0 < size < max(largest.values()) / 10 for size in largest.values()):
            return False
    return True
