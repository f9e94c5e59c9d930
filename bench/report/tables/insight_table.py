"""An insight as a short table, and sentences on the columns that it leaves out."""

from bench.method.insight import Insight, Value
from bench.report.results.measured import QUOTE_CHARACTERS, Shown

ROWS, COLUMNS = 20, 12


def beginning(part: Insight) -> tuple[list[str], list[list[str]], str]:
    """The first column names and rows, and a sentence on those omitted, if any; the caller escapes control characters.

    Numbers have six significant digits; an unknown value is empty.
    """
    heads = list(part.columns)[:COLUMNS]
    rows = [list(map(_text, row)) for row in zip(*(part.columns[name][:ROWS] for name in heads), strict=True)]
    count = len(part.columns[heads[0]]) if heads else 0
    whole = count <= ROWS and len(part.columns) <= COLUMNS
    cut = "" if whole else f"Shown is the beginning of {count} rows and {len(part.columns)} columns."
    return heads, rows, cut


def left_out(shown: Shown) -> list[str]:
    """Sentences on columns that must not be shown."""
    said = []
    if shown.left_out:
        names = ", ".join(shown.left_out)
        said.append(f"Left out, for texts of more than {QUOTE_CHARACTERS} characters quote the data: {names}.")
    if shown.chart_lost:
        said.append("There is no chart, for it needs what is left out.")
    return said


def _text(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
