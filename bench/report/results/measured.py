"""A measured cell: its record, and what its folder keeps beside it, as far as a report needs it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from bench.method.insight import Insight
from bench.record.record import Record
from bench.report.results.predictions import Predictions
from bench.report.results.step_curve import StepCurve


@dataclass(frozen=True, slots=True)
class Shown:
    """An insight without what quotes the data.

    Attributes:
        part: what may be shown.
        left_out: names of the columns that quote the data.
        chart_lost: it had a chart, which needs one of them.
    """

    part: Insight
    left_out: tuple[str, ...] = ()
    chart_lost: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands beside a record.

    Attributes:
        predictions: of the evaluated split, or why there are none.
        curves: of each timed pass over its steps.
        shown: what the method has to show.
        troubles: what could not be read of that, a sentence each.
        log: the end of what the cell said on its way, lines apart.
    """

    predictions: Predictions | str
    curves: tuple[StepCurve, ...] = ()
    shown: tuple[Shown, ...] = ()
    troubles: tuple[str, ...] = ()
    log: str = ""


class Measured(NamedTuple):
    """A cell that has been measured, or has failed."""

    record: Record
    evidence: Evidence


def by_row(cells: Iterable[Measured]) -> list[list[Measured]]:
    """The cells of each row, rows and seeds in the order in which they come."""
    rows: dict[str, list[Measured]] = {}
    for cell in cells:
        rows.setdefault(cell.record.cell.row_id, []).append(cell)
    return list(rows.values())
