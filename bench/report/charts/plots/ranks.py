"""Ranks of the methods on each dataset and model, with the range that intervals allow."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bench.report.analysis.significance import Interval, lies_above
from bench.report.charts.chart_parts import INDEPENDENT, PANELS, first, framed, number
from bench.report.charts.figure_text import tip
from bench.report.charts.plots import points
from bench.report.charts.plots.metrics import metrics

if TYPE_CHECKING:
    import pandas as pd

Estimate = tuple[float, float | None, float | None]
"""A mean, and the ends of its interval or None."""


def ranks(values: Sequence[Estimate]) -> list[tuple[float, int, int]]:
    """The rank of each mean, and the best and worst rank that the intervals allow; larger means rank first.

    Equal means share the mean of their ranks. The best rank is one more than the number of rows whose whole interval
    lies above; the worst is one more than the number of rows whose interval does not lie entirely below. A row without
    an interval may have any rank.
    """
    found = []
    for at, value in enumerate(values):
        mean, own = value[0], _ends(value)
        others = [other for place, other in enumerate(values) if place != at]
        above = sum(other[0] > mean for other in others)
        equal = sum(other[0] == mean for other in others)
        wholly_above = sum(lies_above(_ends(other), own) for other in others)
        wholly_below = sum(lies_above(own, _ends(other)) for other in others)
        found.append((1 + above + equal / 2, 1 + wholly_above, len(values) - wholly_below))
    return found


def _ends(value: Estimate) -> Interval | None:
    _, low, high = value
    return None if low is None or high is None else (low, high)


def spec(frame: "pd.DataFrame") -> dict[str, Any] | None:
    """The chart with one panel per dataset and model; None if none has two methods with a known F1.

    Args:
        frame: one line per table row.
    """
    found, f1 = points.select(frame.to_dict("records")), metrics()["macro_f1"]
    groups: dict[str, list[tuple[dict[str, Any], Estimate]]] = {}
    for row in found.rows:
        mean, low, high = f1.of(row)
        if mean is not None:
            # The interval of one seed lacks the variation between seeds.
            value = (mean, None, None) if number(row.get("seeds")) == 1 else (mean, low, high)
            groups.setdefault(found.named(row, "model", "dataset"), []).append((found.place(row), value))
    panels, notes = first(
        (name for name, group in groups.items() if len(group) > 1), PANELS, "pairs of dataset and model"
    )
    if not panels:
        return None
    data = [
        place | {"panel": panel, "place": at, "rank": rank, "best": best, "worst": worst, "f1": value[0]}
        for at, panel in enumerate(panels)
        for (place, value), (rank, best, worst) in _ranked(groups[panel])
    ]
    largest = max(len(groups[panel]) for panel in panels)
    caption = (
        f"n = {len(data)} rows. Points: ranks of the means. Lines: the best and the worst rank that the 95 % intervals "
        "of macro F1 allow: one more than the rows whose whole interval lies above, and than those whose interval does "
        "not lie wholly below. A row with one seed or without an interval may have any rank. "
        f"{' '.join([*found.notes, *notes])}"
    )
    columns = {"panel": "dataset and model", "rank": "rank of the mean", "best": "best rank", "worst": "worst rank"}
    columns |= {"f1": "macro F1"}
    return framed("Ranks of methods by macro F1", caption, data, _view(largest), panels, columns) | INDEPENDENT


def _ranked(group: Sequence[tuple[dict[str, Any], Estimate]]) -> Iterator[Any]:
    return zip(group, ranks([value for _, value in group]), strict=True)


def _view(largest: int) -> dict[str, Any]:
    ticks = {"values": list(range(1, largest + 1)), "tickCount": largest}
    x = {
        "field": "rank", "type": "quantitative", "title": "Rank by macro F1, 1 is the best",
        "scale": {"domain": [0.6, largest + 0.4], "nice": False}, "axis": ticks,
    }  # fmt: skip
    tips = [tip("method", "method"), tip("model", "model"), tip("f1", "macro F1", ",.4~f")]
    tips += [tip("rank", "rank of the mean", ".3~g"), tip("best", "best rank", "d"), tip("worst", "worst rank", "d")]
    shared = {"x": x, "y": {"field": "method", "type": "nominal", "sort": None, "title": None}, "tooltip": tips}
    ends = {"x": {"field": "best", "type": "quantitative", "title": ""}, "x2": {"field": "worst"}}
    rule = {"mark": {"type": "rule", "strokeWidth": 2, "aria": False}, "encoding": ends}
    point = {"mark": {"type": "point", "aria": False}}
    return {"width": 150, "height": 16 * largest, "encoding": shared, "layer": [rule, point]}
