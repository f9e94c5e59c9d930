"""Files of an insight: its chart as svg and png, alike to the byte each time, and its numbers as csv."""

import csv
import io
from collections.abc import Collection, Mapping
from typing import Any

from bench.insight import Insight
from bench.report.charts import insight_chart, picture
from bench.report.results import quotes
from bench.report.tables import csv_text


def files(insight: Insight, folder: str, kinds: Collection[str] = ("svg", "png")) -> dict[str, bytes]:
    """Content by path, ``<folder>/<name>`` with .svg, .png and .csv; without a chart the csv alone.

    Args:
        insight: to draw.
        folder: of the files.
        kinds: of picture.
    """
    path = f"{folder}/{insight.name}"
    drawn = {}
    if insight.chart is not None:
        drawn = pictures(insight_chart.spec(insight), path, kinds)
    return drawn | {f"{path}.csv": to_csv(insight).encode()}


def pictures(spec: Mapping[str, Any], path: str, kinds: Collection[str]) -> dict[str, bytes]:
    """A chart by path with its suffix, as svg, png or both."""
    svg = picture.svg(spec) if kinds else ""
    found = {f"{path}.svg": svg.encode()} if "svg" in kinds else {}
    return found | ({f"{path}.png": picture.pixels(svg)} if "png" in kinds else {})


def to_csv(insight: Insight) -> str:
    """The columns that do not quote the data, empty where unknown.

    Text that a spreadsheet would compute gets a leading apostrophe.
    """
    insight = quotes.without(insight, quotes.quoting(insight))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([csv_text.safe(name) for name in insight.columns])
    for row in zip(*insight.columns.values(), strict=True):
        writer.writerow([csv_text.safe(value) if isinstance(value, str) else value for value in row])
    return buffer.getvalue()
