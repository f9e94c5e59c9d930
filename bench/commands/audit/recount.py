"""Judge the columns of a table again by the conventions that make most of their rows agree."""

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
        conventions: conventions that suit the same rows.
        agrees: whether a printed number agrees with a value.
        printing: condition on the printing as a clause; empty for rounded digits.
        verdict: verdict of a number that agrees.
        rows: indices of the rows that agree.
    """

    conventions: Sequence[Convention]
    agrees: Agrees
    printing: str
    verdict: NumberVerdict
    rows: frozenset[int] = frozenset()


def recount(checks: Sequence[AuditedNumber], rows: Sequence[Matched], within: float) -> list[AuditedNumber]:
    """The numbers of one table, with a column judged by other conventions where those make more of its rows agree.

    If they do not suit all rows, the others stay as they were judged.

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
    every = len(chosen.rows) == len(column)
    given = _given(column[0][0].quantity, stated)
    for at, (check, plan, number) in enumerate(column):
        fits = at in chosen.rows
        # A row that fits no convention is judged by what the publication states.
        conventions = chosen.conventions if fits else [given]
        usual = _base_value(check, number)
        value = conventions[0].counted(check.quantity, plan, usual, number)
        if value is None or (check.verdict == "exact" and not every and not given.departures):
            continue
        printing = chosen.printing if fits and (every or not number.fits(value)) else ""
        if value == usual and not printing:
            continue
        verdict: NumberVerdict = "within" if _apart(number, value) <= within else "differs"
        if fits:
            verdict = chosen.verdict
        # Conventions without an effect on the row are no condition of its verdict.
        said = _said(verdict, conventions if value != usual else [Convention()], printing, stated, check)
        if not every and said.startswith(f"{verdict} if"):
            said += f"; {len(chosen.rows)} of {len(column)} rows are {verdict} so"
        yield replace(
            check, computed=value / float(number.column.factor), verdict=verdict,
            relative_difference=float(number.value) / value - 1 if value else None, explanation=said,
        )  # fmt: skip


def _given(quantity: str, stated: Mapping[str, bool]) -> Convention:
    return Convention(frozenset(name for name in OF_QUANTITY[quantity] if stated.get(name)))


def _choose(column: Sequence[Checked], stated: Mapping[str, bool], within: float) -> _Chosen:
    """The conventions and the way of printing that suit most rows; of equals, what departs least."""
    quantity = column[0][0].quantity
    counted = [(plan, _base_value(check, number), number) for check, plan, number in column]
    given = [_given(quantity, stated)]
    if quantity == "peak_memory":  # a prediction, which is never exact; one column has one unit
        way = _Chosen(given, lambda number, value: _apart(number, value) <= within, "", "within")
        found, rows = fitting(quantity, counted, stated, way.agrees)
        return replace(way, conventions=found, rows=rows) if len(rows) == len(column) else way
    best = _Chosen(given, Number.fits, "", "exact")
    for way in (best, _Chosen(given, prints, CUT, "exact")):
        found, rows = fitting(quantity, counted, stated, way.agrees)
        if len(rows) > len(best.rows):
            best = replace(way, conventions=found, rows=rows)
    return best


def _base_value(check: AuditedNumber, number: Number) -> float:
    return (check.computed or 0.0) * float(number.column.factor)


def _apart(number: Number, value: float) -> float:
    return abs(float(number.value) / value - 1) if value else float(number.value > 0)


def _said(
    verdict: NumberVerdict, conventions: Sequence[Convention], printing: str, stated: Mapping[str, bool],
    check: AuditedNumber,
) -> str:  # fmt: skip
    """The conditions of the verdict. What the publication states is a fact and no condition."""
    known = Convention(frozenset(name for name in conventions[0].departures if stated.get(name)))
    assumed = [Convention(convention.departures - known.departures) for convention in conventions]
    clauses = ", or if ".join(convention.said() for convention in assumed if convention.departures)
    condition = " and ".join(filter(None, (clauses, printing)))
    how = check.explanation.rpartition(", ")[2] if check.quantity in ("flops", "peak_memory") else ""
    parts = (f"{verdict} if {condition}" if condition else "", f"{known.said()}, as stated" if known.departures else "")
    return "; ".join(filter(None, (*parts, how)))
