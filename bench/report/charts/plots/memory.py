"""Memory breakdowns of loading, training and inference: one stacked bar per row."""

from typing import TYPE_CHECKING, Any

from bench.report.charts import look
from bench.report.charts.chart_parts import PAGE, SPACING, category, first, framed, number, rounded
from bench.report.charts.figure_text import distinct, longest, tip
from bench.report.charts.plots import points
from bench.report.charts.plots.metrics import FrameRow

if TYPE_CHECKING:
    import pandas as pd

#: Largest number of rows.
ROWS = 100
#: Pixels of the longest name of a row.
LABEL = 280


def spec(frame: "pd.DataFrame") -> dict[str, Any] | None:
    """The chart with a panel for each ``of``; None if nothing is known.

    Args:
        frame: one row per part of a breakdown: dataset, model, method, of, part, mb. The first of equal names is drawn.
    """
    known = [row for row in frame.to_dict("records") if number(row["mb"]) is not None]
    found = points.select(known)
    keys = [tuple(row[part] for part in points.PARTS) for row in found.rows]
    kept, notes = first(keys, ROWS, "rows of the table")
    if not kept:
        return None
    drawn = set(kept)
    once: dict[Any, FrameRow] = {}
    for row, key in zip(found.rows, keys, strict=True):
        if key in drawn:
            once.setdefault((key, row["of"], row["part"]), row)
    rows = list(once.values())
    panels, parts = distinct(row["of"] for row in rows), distinct(row["part"] for row in rows)
    data: list[dict[str, Any]] = [
        {"panel": panels[row["of"]], "place": list(panels).index(row["of"]), "part": parts[row["part"]],
         "order": list(parts).index(row["part"]), "mb": rounded(row["mb"]),
         "row": found.named(row, "dataset", "model", "method")} for row in rows
    ]  # fmt: skip
    names = list(dict.fromkeys(row["row"] for row in data))
    wide = max(120, (PAGE - min(LABEL, longest(names))) / max(1, len(panels)) - SPACING)
    caption = (
        f"n = {len(names)} rows. Each bar is one peak, from a pass of its own that accounts for memory. "
        f"{' '.join([*found.notes, *notes])}"
    )
    columns = {"panel": "peak of", "row": "row", "part": "part", "mb": "MB"}
    return framed("Peak memory by component", caption, data, _view(round(wide), names, list(parts.values())),
                  list(panels.values()), columns)  # fmt: skip


def _view(wide: int, names: list[str], parts: list[str]) -> dict[str, Any]:
    encoding = {
        "x": {"field": "mb", "type": "quantitative", "stack": "zero", "title": "Memory (MB)", "axis": {"tickCount": 3}},
        "y": {
            "field": "row", "type": "nominal", "scale": {"domain": names}, "axis": {"title": None, "labelLimit": LABEL},
        },
        "order": {"field": "order", "type": "quantitative"},
        "tooltip": [tip("row", "row"), tip("panel", "peak of"), tip("part", "part"), tip("mb", "MB", ",.1~f")],
    } | category("part", parts, "Part", PAGE)  # fmt: skip
    mark = {"type": "bar", "style": "parted", "aria": False}
    return {"width": wide, "height": {"step": look.LINE + 2}, "mark": mark, "encoding": encoding}
