"""Best and second best rows of a table, each only if its interval lies apart from all rows below."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from bench.record.record import Record
from bench.report.analysis.comparability import conditions, work
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.significance import LEVEL, Interval, leading, lies_above
from bench.report.analysis.statistics import measured
from bench.text.tables.table import Rank

#: Sentence of a caption.
OF_RATES = (
    "Bold throughput: highest. Underlined: second. Both only if the interval (over seeds and repeats; one measurement "
    "has none) lies above the intervals of all lower rows, and only among rows measured under the same conditions, "
    "none suspect."
)


def of_f1(group: str, predictions: bool) -> str:
    """The sentences of a caption on the ranks of F1.

    Args:
        group: description of the groups within which rows are ranked.
        predictions: whether predictions were read.
    """
    alone = "" if predictions else " (predictions are missing, so only the variation between seeds counts)"
    return (
        f"Bold F1: best of {group}. Underlined: second. Both only if the row's F1 is significantly higher than that of "
        f"every lower row{alone}. Significant: at the level of {1 - LEVEL:.0%} in a paired t test with "
        f"two or more seeds, corrected by Holm's method for all pairs of rows of {group}."
    )


def dataset_and_model(record: Record) -> Hashable:
    """The key of a row's group in most tables."""
    return record.cell.dataset.name, record.cell.model.name


def grouped(rows: Sequence[Sequence[Record]], group: Callable[[Record], Hashable]) -> list[list[int]]:
    """The indices of the rows of each group, in order.

    Args:
        rows: records of each row, one or more.
        group: key of a row's group, from one of its records.
    """
    found: dict[Hashable, list[int]] = {}
    for at, row in enumerate(rows):
        found.setdefault(group(row[0]), []).append(at)
    return list(found.values())


def of_rates(
    rows: Sequence[Sequence[Record]], content: Sequence[Mapping[str, Any]], quantities: Iterable[Quantity]
) -> dict[tuple[int, str], Rank]:
    """The ranks of throughputs by row and column.

    Args:
        rows: records of each row.
        content: numbers of each row.
        quantities: throughputs, each with an interval.
    """
    found: dict[tuple[int, str], Rank] = {}
    groups = [places for places in grouped(rows, dataset_and_model) if _comparable([rows[at] for at in places])]
    for quantity in quantities:
        for places in groups:
            known = [at for at in places if content[at][quantity.centre] is not None]
            found |= {(at, quantity.column): rank for at, rank in _leading(known, content, quantity).items()}
    return found


def _leading(places: Sequence[int], content: Sequence[Mapping[str, Any]], quantity: Quantity) -> dict[int, Rank]:
    ends = {at: _ends(content[at], quantity.column) for at in places}
    order = sorted(places, key=lambda at: -content[at][quantity.centre])
    return leading(order, lambda better, at: lies_above(ends[better], ends[at]))


def _ends(row: Mapping[str, Any], column: str) -> Interval | None:
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    return None if low is None or high is None else (low, high)


def _comparable(rows: Sequence[Sequence[Record]]) -> bool:
    """Whether these rows were measured under equal conditions, and none is suspect."""
    good = [record for row in rows for record in measured(row)]
    same = len({(*conditions(record), *work(record)) for record in good}) == 1
    return same and all(record.stamp != "suspect" for record in good)


def as_text(ranks: Mapping[tuple[int, str], Rank], at: int, columns: Iterable[str]) -> dict[str, str]:
    """The ranks of one row for the frame, by column."""
    return {f"{column}_mark": ranks.get((at, column), "") for column in columns}
