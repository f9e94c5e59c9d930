"""Quantities that several tables print differently for the same row."""

from collections.abc import Sequence
from itertools import permutations

from bench.commands.audit.feasibility.printing import interval
from bench.commands.audit.findings.finding import Finding, Severity, finding, listed
from bench.commands.audit.match import Matched
from bench.commands.audit.published.number import Number
from bench.commands.audit.published.quantities import TITLES
from bench.report.analysis.significance import lies_above

#: Scores that may be averaged in several ways, and quantities that training and inference have.
AVERAGED = ("precision", "recall", "f1")
OF_PHASE = ("throughput", "token_throughput", "peak_memory")


def _values(number: Number) -> tuple[float, float]:
    low, high = interval(number)  # one table may round and the other cut
    return float(low), float(high)


def tables_disagree(rows: Sequence[Matched]) -> list[Finding]:
    """Quantities whose values in two tables differ by more than rounding.

    It is a note for scores that may be averaged differently in the two tables, and for quantities of a phase, which may
    be training in one table and inference in the other.
    """
    groups: dict[tuple[str, str, str], list[Matched]] = {}
    for row in rows:
        if row.plan:
            groups.setdefault((row.plan.dataset, row.plan.model, row.plan.method), []).append(row)
    found = []
    for group in groups.values():
        for quantity in TITLES:
            printed = [(row, number) for row in group if (number := row.number(quantity))]
            intervals = [_values(number) for _, number in printed]
            if not any(lies_above(one, other) for one, other in permutations(intervals, 2)):
                continue
            said = listed([f"{number.said()} in {row.table}" for row, number in printed])
            names = max((row.row for row, _ in printed), key=lambda row: bool(row.printed[2]))
            text = f"{names.label}: {TITLES[quantity]} is {said}."
            concerned = [(row, quantity) for row, _ in printed]
            severity: Severity = "inconsistent"
            if quantity in OF_PHASE or (quantity in AVERAGED and printed[0][0].row.stated.averaging is None):
                severity = "note"
            found.append(finding("tables_disagree", severity, concerned, text))
    return found
