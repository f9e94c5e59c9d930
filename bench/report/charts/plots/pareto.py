"""F1 against a cost, or any two metrics, with intervals and the Pareto front of the means.

A page shows other metrics in the same spec by putting ``m = choices(frame)[name]`` on an axis ``a``, ``x`` or ``y``:

- in each of ``data.values``: ``a``, ``a_low`` and ``a_high`` from ``m.values``, whose rows are in the same order;
- ``spec.encoding[a]`` becomes ``m.encoding`` with ``field`` set to ``a``;
- in ``spec.encoding.tooltip``: the ``title`` of the entry whose ``field`` is ``a`` becomes ``m.name``;
- in ``params``: the ``value`` of the one named ``a_sign`` becomes ``m.sign``.

Rows without both metrics are not drawn, and the front is computed by the spec.
"""

from typing import TYPE_CHECKING, Any

from bench.report.charts import look
from bench.report.charts.chart_parts import INDEPENDENT, framed
from bench.report.charts.plots import points
from bench.report.charts.plots.metrics import metrics

if TYPE_CHECKING:
    import pandas as pd


def spec(frame: "pd.DataFrame", x: str = "trainable_params", y: str = "macro_f1") -> dict[str, Any] | None:
    """The chart with one panel per dataset; None if no row has both metrics.

    Args:
        frame: one line per table row.
        x: metric of the x axis.
        y: metric of the y axis.
    """
    found = points.select(frame.to_dict("records"))
    across, up = metrics()[x], metrics()[y]
    values = [(across.of(row), up.of(row)) for row in found.rows]
    known = [row for row, (a, b) in zip(found.rows, values, strict=True) if a[0] is not None and b[0] is not None]
    if not known:
        return None
    data = [found.place(row) | points.between(a, b) for row, (a, b) in zip(found.rows, values, strict=True)]
    panels = list(found.names["dataset"].values())
    wide, high = (320, 230) if len(panels) < 3 else (200, 180)
    view = {
        "width": wide, "height": high, "encoding": points.encoding(across, up, values),
        "layer": [_front(), *points.layers(found), *([_labels()] if len(found.names["model"]) == 1 else [])],
    }  # fmt: skip
    absent = len(found.rows) - len(known)
    notes = [
        *found.notes,
        *points.repeated(found),
        *([f"{absent} rows have only one of the two and are not drawn."] if absent else []),
    ]
    caption = (
        f"{points.seeds(known)} {points.intervals(known)} Dashed: the front of the "
        f"means, rows that no other of the dataset surpasses in both; it does not weigh intervals. {' '.join(notes)}"
    )
    columns = {"panel": "dataset", "x": across.name, "y": up.name}
    whole = framed(f"{up.name} against {across.name[0].lower()}{across.name[1:]}", caption, data, view, panels, columns)
    signs = [{"name": f"{axis}_sign", "value": _sign(metric.less)} for axis, metric in (("x", across), ("y", up))]
    return whole | {"params": signs, "transform": _transform()} | INDEPENDENT


def choices(frame: "pd.DataFrame") -> dict[str, dict[str, Any]]:
    """``name``, ``sign``, ``encoding`` and ``values`` of each metric that some row has, see above."""
    rows = points.select(frame.to_dict("records")).rows
    found = {}
    for key, metric in metrics().items():
        values = [metric.of(row) for row in rows]
        if any(value[0] is not None for value in values):
            found[key] = {
                "name": metric.name, "sign": _sign(metric.less), "encoding": metric.encoding(values), "values": values,
            }  # fmt: skip
    return found


def _sign(less: bool) -> int:
    """The factor that turns a metric into a cost."""
    return 1 if less else -1


def _transform() -> list[dict[str, Any]]:
    """Transforms that mark the front: by increasing cost, points better than all before."""
    order = {"sort": [{"field": "x_cost"}, {"field": "y_gain", "order": "descending"}], "groupby": ["panel"]}
    return [
        {"filter": "isValid(datum.x) && isValid(datum.y)"},
        {"calculate": "x_sign * datum.x", "as": "x_cost"},
        {"calculate": "-y_sign * datum.y", "as": "y_gain"},
        {"window": [{"op": "max", "field": "y_gain", "as": "best"}], "ignorePeers": True, **order},
        {"window": [{"op": "lag", "field": "best", "as": "before"}], **order},
        {"calculate": "!isValid(datum.before) || datum.best > datum.before", "as": "front"},
    ]


def _front() -> dict[str, Any]:
    mark = {"type": "line", "style": "front", "interpolate": "step-after", "aria": False}
    order = {"field": "x_cost", "type": "quantitative"}
    return {"transform": [{"filter": "datum.front"}], "mark": mark, "encoding": {"order": order, "tooltip": None}}


def _labels() -> dict[str, Any]:
    mark = {"type": "text", "align": "left", "dx": 6, "dy": -8, "limit": look.SHORTEST_LIMIT, "aria": False}
    return {"transform": [{"filter": "datum.front"}], "mark": mark, "encoding": {"text": {"field": "method"}}}
