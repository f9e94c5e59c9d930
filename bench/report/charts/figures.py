"""Files of an insight: its chart as pictures, and its numbers as csv."""

from bench.method.insight import Insight
from bench.report.charts import insight_chart
from bench.report.charts.pictures import Pictures
from bench.report.results import quotes
from bench.text.tables.csv_text import csv_lines


def files(insight: Insight, folder: str, pictures: Pictures) -> dict[str, bytes]:
    """The numbers by path, ``<folder>/<name>.csv``; a chart goes to the pictures, under the same path.

    Args:
        insight: to draw.
        folder: of the files.
        pictures: of the report.
    """
    path = f"{folder}/{insight.name}"
    if insight.chart is not None:
        pictures.add(insight_chart.spec(insight), path)
    return {f"{path}.csv": to_csv(insight).encode()}


def to_csv(insight: Insight) -> str:
    """The columns that do not quote the data, empty where unknown.

    Text that a spreadsheet would compute gets a leading apostrophe.
    """
    insight = quotes.without(insight, quotes.quoting(insight))
    return csv_lines(list(insight.columns), zip(*insight.columns.values(), strict=True))
