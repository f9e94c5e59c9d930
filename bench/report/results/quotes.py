"""Columns of insights that quote the data, and insights without them."""

from collections.abc import Collection

from bench.method.insight import Insight

#: A column that holds a longer text quotes the data. Reports are written to be committed, and the data's licence is not
#: ours to give; tokens and names of classes are shorter.
QUOTE_CHARACTERS = 60


def quoting(insight: Insight) -> list[str]:
    """Names of the columns that quote the data."""
    return [
        name for name, values in insight.columns.items()
        if any(isinstance(value, str) and len(value) > QUOTE_CHARACTERS for value in values)
    ]  # fmt: skip


def without(insight: Insight, names: Collection[str]) -> Insight:
    """The insight without some columns, and without its chart where that needs one of them."""
    columns = {name: values for name, values in insight.columns.items() if name not in names}
    chart = insight.chart
    needed = set() if chart is None else {chart.x, chart.y, chart.value, chart.colour, chart.panel}
    return insight.model_copy(update={"columns": columns, "chart": None if needed & set(names) else chart})
