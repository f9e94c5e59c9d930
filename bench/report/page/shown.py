"""What methods show beyond the table, as far as a page has room for it."""

from collections.abc import Iterator, Sequence
from typing import Any

from bench.report.charts import insight_chart
from bench.report.charts.rows import ReportRow
from bench.report.page.embed import clean, json_in_html
from bench.report.results.measured import Measured, Shown
from bench.report.tables import insight_table
from bench.text.display import one_line

#: Bytes of all charts and tables together; the page as a whole is to stay small.
MOST_BYTES = 800_000
LONGEST_TEXT = 300


def embedded(rows: Sequence[ReportRow]) -> tuple[list[dict[str, Any]], list[Any]]:
    """By row with something to show, in the order of the tables: what the template says of it; and all charts.

    What there is no room for is named. Charts are specs, which the page draws when a reader opens them.
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
    """The cells that speak for their rows."""
    for row in rows:
        for cell in row.place.cells:
            if cell.evidence.shown or cell.evidence.troubles:
                yield row, cell


def _part(shown: Shown) -> dict[str, Any]:
    """What stands beside the chart, or in its place."""
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
