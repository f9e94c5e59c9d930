"""Confusion matrices on one dataset, one heatmap per row."""

from collections.abc import Sequence
from typing import Any

from bench.method.insight import Chart, Insight
from bench.report.charts import insight_chart
from bench.report.charts.plots.metrics import FrameRow
from bench.text.display import one_line

CAPTION = "True classes are rows, predicted ones columns; a number counts texts, added up over the seeds."
NO_CLASS = "The column – counts answers that name no class."
CHART = Chart(
    kind="heatmap", x="predicted", y="label", value="texts", panel="row", x_label="Predicted", y_label="True",
    value_label="Texts",
)  # fmt: skip


def spec(rows: Sequence[FrameRow]) -> dict[str, Any] | None:
    """The chart with one panel per table row; None without matrices.

    Args:
        rows: entries of the matrices of one dataset, see ``chart_frames.confusion``.
    """
    if not rows:
        return None
    unnamed = any(row["predicted"] is None and row["texts"] for row in rows)
    drawn = [row for row in rows if unnamed or row["predicted"] is not None]
    columns = {name: tuple(row[name] for row in drawn) for name in ("label", "predicted", "texts")}
    columns["row"] = tuple(f"{row['model']}, {row['method']}" for row in drawn)
    counts = {row["seeds"] for row in rows}
    number = " to ".join(map(str, sorted({min(counts), max(counts)})))
    seeds = "1 seed" if number == "1" else f"{number} seeds"
    return insight_chart.spec(
        Insight(
            name="confusion", title=one_line(f"Confusion matrices on {rows[0]['dataset']}", 200),
            caption=" ".join([f"n = {seeds} a row.", CAPTION, *([NO_CLASS] if unnamed else [])]), columns=columns,
            chart=CHART,
        )
    )  # fmt: skip
