"""Judge the columns of a table again by the conventions that make all their rows agree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bench.commands.audit.compare import AuditedNumber, NumberVerdict
from bench.commands.audit.conventions import OF_QUANTITY, Agrees, Convention, fitting, stated_by
from bench.commands.audit.feasibility.printing import prints
from bench.commands.audit.match import Matched
from bench.commands.audit.published.number import Number
from bench.plan.row import PlanRow

#: One checked number with the row of the plan and the printed number.
Checked: TypeAlias = tuple[AuditedNumber, PlanRow, Number]
CUT = "digits are cut, not rounded"


@dataclass(frozen=True, slots=True)
class _Chosen:
    """How a column is judged.

    Attributes:
        conventions: conventions that suit all rows equally well, or the one to judge by if none does.
        agrees: whether a printed number agrees with a value.
        printing: condition on the printing as a clause; empty for rounded digits.
        verdict: verdict of a number that agrees.
    """

    conventions: Sequence[Convention]
    agrees: Agrees
    printing: str
    verdict: NumberVerdict

    @property
    def usual(self) -> bool:
        """Whether this is how the numbers were judged in the first place."""
        return not self.conventions[0].departures and not self.printing


def recount(checks: Sequence[AuditedNumber], rows: Sequence[Matched], within: float) -> list[AuditedNumber]:
    """The numbers of one table, with a column judged by other conventions where only those make all its rows agree.

    Args:
        checks: numbers of the table, judged by this project's way of counting.
        rows: rows of the table.
        within: relative difference up to which a number is "within".
    """
    by_line = {row.row.line: row for row in rows}
    judged: dict[tuple[str, int, str], AuditedNumber] = {}
    for quantity in OF_QUANTITY:
        column = list(_checked(checks, by_line, quantity))
        if column:
            stated = stated_by(by_line[column[0][0].line].row.stated)
            judged |= {check.place: check for check in _column(column, stated, within)}
    return [judged.get(check.place, check) for check in checks]


def _checked(checks: Sequence[AuditedNumber], rows: Mapping[int, Matched], quantity: str) -> Iterator[Checked]:
    for check in checks:
        row = rows[check.line]
        number = row.number(quantity)
        compared = check.quantity == quantity and check.verdict != "not checkable" and check.computed is not None
        if compared and row.plan is not None and number is not None:
            yield check, row.plan, number


def _column(column: Sequence[Checked], stated: Mapping[str, bool], within: float) -> Iterator[AuditedNumber]:
    chosen = _choose(column, stated, within)
    if chosen.usual:
        return
    for check, plan, number in column:
        value = chosen.conventions[0].counted(check.quantity, plan, _base_value(check, number), number)
        if value is None:
            continue
        verdict: NumberVerdict = "within" if _apart(number, value) <= within else "differs"
        if chosen.agrees(number, value):
            verdict = chosen.verdict
        yield replace(
            check, computed=value / float(number.column.factor), verdict=verdict,
            relative_difference=float(number.value) / value - 1 if value else None,
            explanation=_said(verdict, chosen, stated, check),
        )  # fmt: skip


def _choose(column: Sequence[Checked], stated: Mapping[str, bool], within: float) -> _Chosen:
    """The first way of printing by which some convention suits every row, else what the publication states."""
    quantity = column[0][0].quantity
    counted = [(plan, _base_value(check, number), number) for check, plan, number in column]
    given = Convention(frozenset(name for name in OF_QUANTITY[quantity] if stated.get(name)))
    if quantity == "peak_memory":  # a prediction, which is never exact
        ways = [_Chosen([given], lambda number, value: _apart(number, value) <= within, "", "within")]
    else:
        ways = [_Chosen([given], Number.fits, "", "exact"), _Chosen([given], prints, CUT, "exact")]
    for way in ways:
        if found := fitting(quantity, counted, stated, way.agrees):
            return replace(way, conventions=found)
    return ways[0]


def _base_value(check: AuditedNumber, number: Number) -> float:
    return (check.computed or 0.0) * float(number.column.factor)


def _apart(number: Number, value: float) -> float:
    return abs(float(number.value) / value - 1) if value else float(number.value > 0)


def _said(verdict: NumberVerdict, chosen: _Chosen, stated: Mapping[str, bool], check: AuditedNumber) -> str:
    """The conditions of the verdict; one that the publication states is a fact."""
    departures = {name for convention in chosen.conventions for name in convention.departures}
    how = check.explanation.rpartition(", ")[2] if check.quantity in ("flops", "peak_memory") else ""
    clauses = ", or if ".join(convention.said() for convention in chosen.conventions if convention.departures)
    condition = " and ".join(filter(None, (clauses, chosen.printing)))
    if all(stated.get(name) for name in departures) and not chosen.printing:
        return "; ".join(filter(None, (f"{condition}, as stated", how)))
    return "; ".join(filter(None, (f"{verdict} if {condition}", how)))
