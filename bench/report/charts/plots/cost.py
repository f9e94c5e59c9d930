"""F1 against training time, energy and peak memory, one row of panels each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.report.charts.chart_parts import stacked
from bench.report.charts.plots import points
from bench.report.charts.plots.metrics import metrics

if TYPE_CHECKING:
    import pandas as pd

COSTS = ("train_seconds", "energy_train_joules", "peak_train_mb")


def spec(frame: "pd.DataFrame", costs: Sequence[str] = COSTS) -> dict[str, Any] | None:
    """The charts with one panel per dataset, without costs that no row knows; None if none is known.

    Args:
        frame: one line per table row.
        costs: names of metrics.
    """
    found, f1 = points.select(frame.to_dict("records")), metrics()["macro_f1"]
    data: list[dict[str, Any]] = []
    views, notes = {}, [*found.notes, *points.repeated(found)]
    for cost in (metrics()[name] for name in costs):
        values = [(row, cost.of(row), f1.of(row)) for row in found.rows]
        known = [(row, x, y) for row, x, y in values if x[0] is not None and y[0] is not None]
        if not known:
            notes.append(f"Unknown of all rows: {cost.name}.")
            continue
        of = {"measure": cost.column}
        data += [found.place(row) | of | points.between(x, y) for row, x, y in known]
        encoding = points.encoding(cost, f1, [(x, y) for _, x, y in known])
        views[cost.column] = {"width": 195, "height": 150, "encoding": encoding, "layer": points.layers(found)}
    if not views:
        return None
    caption = (
        f"{points.seeds(found.rows)} {points.intervals(found.rows)} A row whose cost is unknown is not drawn. "
        f"{' '.join(notes)}"
    )
    panels = list(found.names["dataset"].values())
    columns = {"panel": "dataset", "x": "cost", "y": f1.name}
    return stacked("F1 against its cost", caption, data, views, panels, columns)
