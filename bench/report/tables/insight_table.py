"""What is said of an insight beside its chart, or in its place: the beginning of its columns, and what is missing."""

from typing import NamedTuple

from bench.method.insight import Insight, Value
from bench.report.results import quotes
from bench.report.results.measured import Shown

ROWS, COLUMNS = 20, 12


class Beginning(NamedTuple):
    """The first rows and columns of an insight.

    Attributes:
        heads: names of the columns.
        rows: texts, a number with six significant digits, what is unknown empty.
        cut: what is said where that is not all; else empty.
    """

    heads: list[str]
    rows: list[list[str]]
    cut: str


def beginning(part: Insight) -> Beginning:
    """The first rows and columns; control characters are the caller's to spell out."""
    heads = list(part.columns)[:COLUMNS]
    rows = [list(map(_text, row)) for row in zip(*(part.columns[name][:ROWS] for name in heads), strict=True)]
    count = len(part.columns[heads[0]]) if heads else 0
    whole = count <= ROWS and len(part.columns) <= COLUMNS
    return Beginning(
        heads, rows, "" if whole else f"Shown is the beginning of {count} rows and {len(part.columns)} columns."
    )


def left_out(shown: Shown) -> list[str]:
    """What is said of columns that must not be shown, a sentence each."""
    said = []
    if shown.left_out:
        names = ", ".join(shown.left_out)
        said.append(f"Left out, for texts of more than {quotes.QUOTE_CHARACTERS} characters quote the data: {names}.")
    if shown.chart_lost:
        said.append("There is no chart, for it needs what is left out.")
    return said


def _text(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
