"""What the specs of all charts have in common: panels, legends of categories, limits, and what a chart says of itself.

A spec is one of Vega-Lite 6, its data inside, as ``data.values``. Colours it has none: ``look`` does. Its
``usermeta`` has the ``title`` and the ``caption``, which a picture draws and a page writes; ``width``, the pixels that
it takes; and ``columns``, what the fields of the data are, in words. ``description`` says title and caption to a screen
reader. With panels, the spec's ``columns`` says how many stand side by side.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from bench.report.charts import look
from bench.report.charts.figure_text import CAPTION, TITLE, UNKNOWN, longest, plain
from bench.text.display import one_line

Item = TypeVar("Item")
#: Pixels of a page of print, of the narrowest picture, and between panels.
PAGE, NARROWEST, SPACING = 720, 460, 35
#: Panels that are drawn, the first ones.
PANELS = 24
#: Of panels whose numbers differ in size.
INDEPENDENT: dict[str, Any] = {"resolve": {"scale": {"x": "independent", "y": "independent"}}}


def number(value: Any) -> float | None:
    """A number of a frame that can be drawn; None where it is unknown or not finite."""
    try:
        known = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return known if math.isfinite(known) else None


def rounded(value: float) -> float:
    """A number with the digits that a picture can show, for specs travel inside pages."""
    return float(f"{value:.6g}")


def thinned(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / max(1, most - 1))] for place in range(most)]


def first(values: Iterable[Item], most: int, what: str) -> tuple[list[Item], list[str]]:
    """The first of the different values, and the sentence on what is left out, if anything is."""
    found = list(dict.fromkeys(values))
    said = [] if len(found) <= most else [f"Drawn are the first {most} of {len(found)} {what}."]
    return found[:most], said


def columns_of(panels: int, wide: float) -> int:
    """Panels side by side: as many as a page has room for, the rows about even."""
    most = max(1, int(PAGE // (wide + SPACING)))
    return math.ceil(panels / math.ceil(panels / most))


def category(
    field: str, names: Sequence[str], title: str | None, wide: float, also: Literal["shape", "strokeDash"] | None = None
) -> dict[str, Any]:
    """Encoding of a category by colour, with its legend.

    Args:
        field: of the data.
        names: all of them, in the order of the legend.
        title: of the legend.
        wide: pixels that the legend may take.
        also: channel that tells the names apart in grey, and beyond the palette.
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
    """A layer with a horizontal line, one in each panel."""
    mark = {"type": "rule", "style": style, "aria": False}
    return {"data": {"values": [{}]}, "mark": mark, "encoding": {"y": {"datum": value}}}


def framed(
    title: str,
    caption: str,
    values: Sequence[Mapping[str, Any]],
    view: Mapping[str, Any],
    panels: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A whole spec of one view, or of a panel for each name in the data's field ``panel``.

    Args:
        title: of the picture, from anywhere.
        caption: what is shown, n, and where it is from.
        values: the data; with panels, ``place`` is the panel's place among them.
        view: a unit or layer, its width in pixels or as a step, in the form of Vega-Lite.
        panels: names.
        columns: what the fields of the data are, from anywhere.
    """
    whole = said(title, caption, across(view, panels), columns or {})
    return whole | {"data": {"name": "values", "values": list(values)}} | faceted(view, panels)


def stacked(
    title: str,
    caption: str,
    values: Sequence[Mapping[str, Any]],
    views: Mapping[str, Mapping[str, Any]],
    panels: Sequence[str],
    columns: Mapping[str, str],
) -> dict[str, Any]:
    """As ``framed``, of several views, each with scales of its own, side by side where there is room.

    Args:
        title: of the picture.
        caption: what is shown.
        values: the data; ``measure`` says which view each row is for.
        views: by measure, a name of ours.
        panels: names.
        columns: what the fields of the data are.
    """
    wide = max(across(view, panels) for view in views.values())
    parts = [{"transform": [{"filter": f"datum.measure === '{key}'"}]} | faceted(view, panels) | INDEPENDENT
             for key, view in views.items()]  # fmt: skip
    beside = min(len(parts), max(1, int(PAGE // wide)))
    data = {"data": {"name": "values", "values": list(values)}}
    return said(title, caption, beside * wide, columns) | data | {"concat": parts, "columns": beside}


def faceted(view: Mapping[str, Any], panels: Sequence[str]) -> dict[str, Any]:
    """A view, or where panels have names one for each."""
    if not panels:
        return dict(view)
    facet = {"field": "panel", "type": "nominal", "sort": {"field": "place", "op": "min"}, "header": {"title": None}}
    return {"facet": facet, "columns": columns_of(len(panels), view["width"]), "spec": dict(view)}


def across(view: Mapping[str, Any], panels: Sequence[str]) -> float:
    """Pixels that a view takes with its panels, about."""
    columns = columns_of(len(panels), view["width"]) if panels else 1
    return float(columns * (view["width"] + SPACING))


def said(title: str, caption: str, width: float, columns: Mapping[str, str]) -> dict[str, Any]:
    """The part of a spec that says what it is."""
    title, caption = one_line(title, TITLE) or UNKNOWN, one_line(caption, CAPTION)
    named = {field: plain(text) for field, text in columns.items()}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": f"{title}. {caption}",
        "usermeta": {"title": title, "caption": caption, "width": round(width), "columns": named},
    }


def nothing(title: str, caption: str) -> dict[str, Any]:
    """The spec of a chart without data, which says so."""
    mark = {"type": "text", "style": "empty", "text": "no data", "aria": False}
    return framed(title, caption, [{}], {"width": 300, "height": 60, "mark": mark})
