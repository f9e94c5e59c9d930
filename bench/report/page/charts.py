"""The charts of a page: the specs of the report's figures, and the choices of their controls."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from bench.report.charts import chart_frames, look
from bench.report.charts.plots import cost, curves, memory, pareto, points, ranks, search
from bench.report.charts.rows import ReportRow
from bench.report.page.embed import clean

#: Titles of the charts, in the order of the page.
TITLES = {
    "pareto": "Pareto front of two quantities", "cost": "F1 against time, energy and memory",
    "ranks": "Ranks of the methods", "memory": "Memory breakdown", "curves": "Training curves",
    "search": "Expected best F1 by number of trials",
}  # fmt: skip
THEMES: tuple[look.Theme, ...] = ("light", "dark")


def embedded(rows: Sequence[ReportRow], insights: Sequence[Any]) -> dict[str, Any]:
    """Specs of the page's charts, and the looks of both themes; None for a chart without data.

    Args:
        rows: rows of the page.
        insights: specs of insight charts, cleaned.
    """
    found = {
        "pareto": _each(rows, _pareto), "cost": _each(rows, cost.spec),
        "ranks": _each(rows, ranks.spec, lambda row: f"{row.dataset}, {row.numbers['model']}"),
        "memory": _each(rows, memory.spec, lines=chart_frames.parts), "curves": _curves(rows),
        "search": _each(rows, _search, lambda row: f"{row.dataset}, {row.numbers['model']}", chart_frames.search),
    }  # fmt: skip
    looks = {theme: look.config(theme) for theme in THEMES}
    return {"looks": looks, "insights": list(insights)} | {name: clean(chart) for name, chart in found.items()}


def _each(
    rows: Sequence[ReportRow],
    build: Callable[[pd.DataFrame], dict[str, Any] | None],
    name: Callable[[ReportRow], str] = lambda row: row.dataset,
    lines: Callable[[ReportRow], Iterable[dict[str, Any]]] = lambda row: [chart_frames.line(row)],
) -> dict[str, Any] | None:
    """Charts by dataset, or by another name of rows; None if no chart has data."""
    frames: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        frames.setdefault(name(row), []).extend(lines(row))
    drawn = {named: build(pd.DataFrame(frame)) for named, frame in frames.items() if frame}
    return {named: chart for named, chart in drawn.items() if chart is not None} or None


def _search(table: pd.DataFrame) -> dict[str, Any] | None:
    return search.spec(table.to_dict("records"))


def _pareto(table: pd.DataFrame) -> dict[str, Any] | None:
    choices = pareto.choices(table)
    names: list[str] = [name for name in ("trainable_params", "macro_f1") if name in choices]
    names += [name for name in choices if name not in names]
    spec = pareto.spec(table, *names[:2]) if len(names) > 1 else None
    return None if spec is None else {"spec": spec, "choices": choices, "x": names[0], "y": names[1]}


def _curves(rows: Sequence[ReportRow]) -> dict[str, Any] | None:
    """A spec without points, which the script takes from the cells, and the name of each row in it."""
    lines = [{**line, "row": at} for at, row in enumerate(rows) for line in chart_frames.points(row, first_alone=True)]
    spec = curves.spec(lines, measures=list(curves.MEASURES))
    if spec is None:
        return None
    found = points.select(lines)
    named = {
        str(row["row"]): {
            "panel": found.named(row, "model", "dataset"), "method": found.names["method"][row["method"]],
        } for row in found.rows
    }  # fmt: skip
    spec["data"]["values"] = []
    return {"spec": spec, "rows": named}
