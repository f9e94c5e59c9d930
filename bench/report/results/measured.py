"""A measured cell: its record and the evidence beside it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

from pydantic import Field

from bench.method.insight import Insight
from bench.record.record import Record
from bench.report.results.predictions import Predictions
from bench.report.results.step_curve import StepCurve
from bench.schema import Frozen

#: Characters; a column with a longer text quotes the data, whose licence does not allow us to publish it. Tokens and
#: class names are shorter.
QUOTE_CHARACTERS = 60


class Shown(Frozen):
    """An insight without the columns that quote the data."""

    part: Insight
    left_out: tuple[str, ...] = Field((), description="names of the columns that quote the data")
    chart_lost: bool = Field(False, description="the insight had a chart, which needs one of these columns")

    @classmethod
    def of(cls, insight: Insight) -> Self:
        """Remove the columns that quote the data, and the chart if it needs one of them."""
        quotes = tuple(
            name for name, values in insight.columns.items()
            if any(isinstance(value, str) and len(value) > QUOTE_CHARACTERS for value in values)
        )  # fmt: skip
        chart = insight.chart
        lost = chart is not None and not {chart.x, chart.y, chart.value, chart.colour, chart.panel}.isdisjoint(quotes)
        columns = {name: values for name, values in insight.columns.items() if name not in quotes}
        part = insight.model_copy(update={"columns": columns, "chart": None if lost else chart})
        return cls(part=part, left_out=quotes, chart_lost=lost)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a cell's folder holds beside its record.

    Attributes:
        predictions: predictions on the evaluated split, or the reason why there are none.
        curves: step curve of each timed pass.
        shown: insights of the method.
        troubles: sentences on insights that could not be read.
        log: end of the cell's log, lines kept.
    """

    predictions: Predictions | str
    curves: tuple[StepCurve, ...] = ()
    shown: tuple[Shown, ...] = ()
    troubles: tuple[str, ...] = ()
    log: str = ""


class Measured(NamedTuple):
    """A cell that was measured or failed."""

    record: Record
    evidence: Evidence


def by_row(cells: Iterable[Measured]) -> list[list[Measured]]:
    """Group cells by row, keeping their order."""
    rows: dict[str, list[Measured]] = {}
    for cell in cells:
        rows.setdefault(cell.record.cell.row_id, []).append(cell)
    return list(rows.values())
