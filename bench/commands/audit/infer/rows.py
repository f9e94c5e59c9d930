"""The printed peaks of a table from which conditions can be inferred."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.commands.audit.checked_peaks import peak_key
from bench.commands.audit.match import Matched
from bench.commands.audit.published.number import Number
from bench.study.cell import Cell

QUANTITY = "peak_memory"
#: Dataset, model and method by their study names.
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class PeakRow:
    """A row with a printed peak and the cell that predicts it.

    Attributes:
        label: its names as printed.
        number: printed peak.
        cell: cell of the study, at the length that the publication states if it does.
        shape: equal for rows that differ only in their dataset.
    """

    label: str
    number: Number
    cell: Cell
    shape: str


def peak_rows(matched: Sequence[Matched], cells: Mapping[Key, Cell]) -> tuple[list[PeakRow], dict[str, list[str]]]:
    """The usable rows of one table, and the labels of the others by the reason why they are not.

    Args:
        matched: rows of the table.
        cells: cells of the study.
    """
    usable: list[PeakRow] = []
    left_out: dict[str, list[str]] = {}
    for row in matched:
        number = row.number(QUANTITY)
        if number is None:
            continue
        reason = _why_not(row)
        if reason is None and usable and number.column.unit != usable[0].number.column.unit:
            reason = f"it is printed in {number.column.unit}, other rows in {usable[0].number.column.unit}"
        if reason is not None or row.plan is None:
            left_out.setdefault(reason or row.why, []).append(row.row.label)
            continue
        cell = cells[row.plan.dataset, row.plan.model, row.plan.method]
        length = row.row.stated.sequence_length or cell.data.max_length
        cell = cell.model_copy(update={"data": cell.data.model_copy(update={"max_length": length})})
        usable.append(PeakRow(row.row.label, number, cell, peak_key(cell, any_batch=True)))
    return usable, left_out


def _why_not(row: Matched) -> str | None:
    plan, stated, number = row.plan, row.row.stated, row.number(QUANTITY)
    if plan is None:
        return row.why
    if plan.unsupported is not None:
        return f"the study cannot build it: {plan.unsupported}"
    if not plan.trains:
        return "it trains nothing"
    if not (number and number.value > 0):
        return "it prints a peak of 0"
    if stated.batch_size is not None:
        return "the publication states its batch size"
    if row.causal and stated.sequence_length is None:
        return "its sequence length is not known, so the peak fixes neither length nor batch size"
    return None
