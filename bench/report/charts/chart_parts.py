"""Common parts of all chart specs: panels, legends, limits and metadata.

A spec is one of Vega-Lite 6 with its data in ``data.values``. It has no colours, which ``look`` sets. Its ``usermeta``
has the ``title`` and ``caption``, which figures draw and pages write; ``width``, in pixels; and ``columns``, the
meaning of the data's fields. ``description`` is for screen readers. With panels, ``columns`` is the number of panels
side by side.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from bench.report.charts import look
from bench.report.charts.figure_text import CAPTION, TITLE, UNKNOWN, longest, plain
from bench.text.display import one_line

Item = TypeVar("Item")
#: Pixels: width of a printed page, width of the narrowest figure, space between panels.
PAGE, NARROWEST, SPACING = 720, 460, 35
#: Largest number of panels.
PANELS = 24
#: Scales for panels whose numbers differ in size.
INDEPENDENT: dict[str, Any] = {"resolve": {"scale": {"x": "independent", "y": "independent"}}}


def number(value: Any) -> float | None:
    """The value as a number to draw; None if it is unknown or not finite."""
    try:
        known = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return known if math.isfinite(known) else None


def rounded(value: float) -> float:
    """A number with six significant digits, to keep pages small."""
    return float(f"{value:.6g}")


def thinned(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many items, evenly spaced, including the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / max(1, most - 1))] for place in range(most)]


def first(values: Iterable[Item], most: int, what: str) -> tuple[list[Item], list[str]]:
    """The first distinct values, and a sentence on the number left out, if any."""
    found = list(dict.fromkeys(values))
    said = [] if len(found) <= most else [f"Drawn are the first {most} of {len(found)} {what}."]
    return found[:most], said


def columns_of(panels: int, wide: float) -> int:
    """Number of panels side by side: as many as fit on a page, in rows of similar length."""
    most = max(1, int(PAGE // (wide + SPACING)))
    return math.ceil(panels / math.ceil(panels / most))


def category(
    field: str, names: Sequence[str], title: str | None, wide: float, also: Literal["shape", "strokeDash"] | None = None
) -> dict[str, Any]:
    """Encoding of a category by colour, with its legend.

    Args:
        field: field of the data.
        names: all names, in the order of the legend.
        title: title of the legend.
        wide: width of the legend in pixels.
        also: second channel, which distinguishes names in grey and beyond the palette.
    """
    columns = max(1, int(wide // (min(longest(names), look.LABEL) + 40)))
    stroke = {"symbolType": "stroke", "symbolSize": 200} if also == "strokeDash" else {}
    legend = {"title": title, "columns": min(len(names), columns)} | stroke
    of = {"field": field, "type": "nominal", "legend": legend}
    encoding = {"color": of | {"scale": {"domain": list(names)}}}
    if also is not None:
        looks = list(look.SHAPES) if also == "shape" else list(map(list, look.DASHES))
        cycle = [looks[place % len(looks)] for place in range(len(names))]
        encoding[also] = of | {"scale": {"domain": list(names), "range": cycle}}
    return encoding


def level(value: float, style: str) -> dict[str, Any]:
    """A layer with a horizontal line in each panel."""
    mark = {"type": "rule", "style": style, "aria": False}
    return {"data": {"values": [{}]}, "mark": mark, "encoding": {"y": {"datum": value}}}


def framed(
    title: str, caption: str, values: Sequence[Mapping[str, Any]], view: Mapping[str, Any], panels: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A complete spec of one view, or of a panel for each name in the data's field ``panel``.

    Args:
        title: title of the figure; foreign text is allowed.
        caption: caption with contents, n and source.
        values: rows of data; with panels, ``place`` is the index of the panel.
        view: unit or layer of Vega-Lite, with a width in pixels or as a step.
        panels: names of the panels.
        columns: meaning of the data's fields; foreign text is allowed.
    """
    whole = said(title, caption, across(view, panels), columns or {})
    return whole | {"data": {"name": "values", "values": list(values)}} | faceted(view, panels)


def stacked(
    title: str, caption: str, values: Sequence[Mapping[str, Any]], views: Mapping[str, Mapping[str, Any]],
    panels: Sequence[str], columns: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """Like ``framed``, with several views that have their own scales, side by side if there is room.

    Args:
        title: title of the figure.
        caption: caption.
        values: rows of data; ``measure`` is the view of each row.
        views: views by measure; measures are trusted names.
        panels: names of the panels.
        columns: meaning of the data's fields.
    """
    wide = max(across(view, panels) for view in views.values())
    parts = [{"transform": [{"filter": f"datum.measure === '{key}'"}]} | faceted(view, panels) | INDEPENDENT
             for key, view in views.items()]  # fmt: skip
    beside = min(len(parts), max(1, int(PAGE // wide)))
    data = {"data": {"name": "values", "values": list(values)}}
    return said(title, caption, beside * wide, columns) | data | {"concat": parts, "columns": beside}


def faceted(view: Mapping[str, Any], panels: Sequence[str]) -> dict[str, Any]:
    """A view, or one for each panel."""
    if not panels:
        return dict(view)
    facet = {"field": "panel", "type": "nominal", "sort": {"field": "place", "op": "min"}, "header": {"title": None}}
    return {"facet": facet, "columns": columns_of(len(panels), view["width"]), "spec": dict(view)}


def across(view: Mapping[str, Any], panels: Sequence[str]) -> float:
    """Approximate width in pixels of a view with its panels."""
    columns = columns_of(len(panels), view["width"]) if panels else 1
    return float(columns * (view["width"] + SPACING))


def said(title: str, caption: str, width: float, columns: Mapping[str, str]) -> dict[str, Any]:
    """The metadata of a spec."""
    title, caption = one_line(title, TITLE) or UNKNOWN, one_line(caption, CAPTION)
    named = {field: plain(text) for field, text in columns.items()}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json", "description": f"{title}. {caption}",
        "usermeta": {"title": title, "caption": caption, "width": round(width), "columns": named},
    }  # fmt: skip


def nothing(title: str, caption: str) -> dict[str, Any]:
    """The spec of a chart without data, which shows "no data"."""
    mark = {"type": "text", "style": "empty", "text": "no data", "aria": False}
    return framed(title, caption, [{}], {"width": 300, "height": 60, "mark": mark})
