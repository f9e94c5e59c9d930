"""Insights of methods on a page, up to a maximum size."""

from collections.abc import Iterator, Sequence
from typing import Any

from bench.report.charts import insight_chart
from bench.report.charts.rows import ReportRow
from bench.report.page.embed import clean, json_in_html
from bench.report.results.measured import Measured, Shown
from bench.report.tables import insight_table
from bench.text.display import one_line

#: Maximum size of all insights together in bytes; it keeps the page small.
MOST_BYTES = 800_000
LONGEST_TEXT = 300


def embedded(rows: Sequence[ReportRow]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Insights by row, in the order of the tables, for the template; and the specs of their charts.

    Insights beyond the maximum size are named in ``left_out``. The page draws a chart when a reader opens it.
    """
    found: list[dict[str, Any]] = []
    charts: list[Any] = []
    room = MOST_BYTES
    for row, cell in _cells(rows):
        parts, left_out = [], []
        for shown in cell.evidence.shown:
            part = _part(shown)
            chart = None if shown.part.chart is None else clean(insight_chart.spec(shown.part))
            size = len(json_in_html([part, chart]).encode())
            if size > room:
                left_out.append(shown.part.title)
                continue
            room -= size
            if chart is not None:
                part["chart"] = len(charts)
                charts.append(chart)
            parts.append(part)
        found.append({
            "names": " / ".join(row.names), "seed": cell.record.cell.seed, "parts": parts, "left_out": left_out,
            "warnings": cell.record.warnings, "troubles": cell.evidence.troubles,
        })  # fmt: skip
    return found, charts


def _cells(rows: Sequence[ReportRow]) -> Iterator[tuple[ReportRow, Measured]]:
    """The cell shown for each row."""
    for row in rows:
        for cell in row.place.cells:
            if cell.evidence.shown or cell.evidence.troubles:
                yield row, cell


def _part(shown: Shown) -> dict[str, Any]:
    """Title, caption and table of an insight."""
    part, said = shown.part, insight_table.left_out(shown)
    heads, rows, cut = insight_table.beginning(part)
    if part.chart is not None:
        rows = []
    elif cut:
        said.append(cut)
    return {
        "title": one_line(part.title, 300), "caption": one_line(part.caption, 2000), "said": said, "chart": None,
        "heads": [one_line(name, LONGEST_TEXT) for name in heads],
        "rows": [[one_line(text, LONGEST_TEXT) for text in row] for row in rows],
    }  # fmt: skip
