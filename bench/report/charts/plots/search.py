"""Expected best validation F1 by number of trials, one line per method."""

from collections.abc import Sequence
from typing import Any

from bench.report.charts.chart_parts import INDEPENDENT, PAGE, PANELS, category, first, framed, number, rounded
from bench.report.charts.figure_text import tip
from bench.report.charts.plots import points
from bench.report.charts.plots.metrics import FrameRow

Y = "Expected best validation macro F1"
NUMBER = ",.4~f"
#: Numbers of trials that the axis labels.
TICKS = (1, 2, 3, 5, 10, 15, 20, 30, 50, 100, 200, 500, 1000)
CAPTION = (
    "Mean of the highest F1 over all choices of so many trials of the method's search without replacement; a failed "
    "trial counts as 0. Bands: 95 % intervals from the variation between trials alone."
)


def spec(rows: Sequence[FrameRow]) -> dict[str, Any] | None:
    """The chart with one panel per dataset and model; None if nothing was searched.

    Args:
        rows: points, see ``chart_frames.search``.
    """
    found = points.select(rows)
    panels, notes = first(
        (found.named(row, "model", "dataset") for row in found.rows), PANELS, "pairs of dataset and model"
    )
    if not panels:
        return None
    data = []
    for row in found.rows:
        panel = found.named(row, "model", "dataset")
        if panel in panels:
            ends = {end: None if (value := number(row[end])) is None else rounded(value) for end in ("low", "high")}
            data.append({
                "panel": panel, "place": panels.index(panel), "method": found.names["method"][row["method"]],
                "x": row["trials"], "y": rounded(row["expected_best_macro_f1"]), **ends,
            })  # fmt: skip
    methods = list(found.names["method"].values())
    caption = (
        f"n = {max(row['x'] for row in data)} trials of each search at most. {CAPTION} "
        f"{' '.join([*found.notes, *notes])}"
    )
    columns = {"panel": "dataset and model", "x": "trials", "y": Y, "low": "lower end", "high": "upper end"}
    view = _view(methods, len(panels), max(row["x"] for row in data))
    return framed("Expected best F1 by number of trials", caption, data, view, panels, columns) | INDEPENDENT


def _view(methods: Sequence[str], panels: int, most: int) -> dict[str, Any]:
    wide, high = (430, 240) if panels == 1 else (290, 190) if panels == 2 else (195, 150)
    ticks = [tick for tick in TICKS if tick <= most]
    x = {
        "field": "x", "type": "quantitative", "title": "Trials", "scale": {"type": "log", "nice": False, "padding": 5},
        "axis": {"values": ticks, "tickCount": len(ticks), "format": "d"},
    }  # fmt: skip
    y = {"field": "y", "type": "quantitative", "title": Y, "scale": {"zero": False}}
    colour = category("method", methods, "Method", PAGE, "strokeDash")
    tips = [tip("method", "method"), tip("x", "trials", "d"), tip("y", Y, NUMBER)]
    tips += [tip("low", "low", NUMBER), tip("high", "high", NUMBER)]
    band = {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "area", "fillOpacity": 0.12, "aria": False},
        "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour["color"]},
    }  # fmt: skip
    line = {
        "mark": {"type": "line", "aria": False, "point": {"size": 15, "aria": False}},
        "encoding": {"x": x, "y": y, "tooltip": tips, **colour},
    }  # fmt: skip
    return {"width": wide, "height": high, "layer": [band, line]}
