"""Quantities that several tables print differently for the same row."""

from collections.abc import Sequence
from itertools import combinations

from bench.commands.audit.findings.finding import Finding, finding, listed
from bench.commands.audit.match import Matched
from bench.commands.audit.published.quantities import TITLES


def tables_disagree(rows: Sequence[Matched]) -> list[Finding]:
    """Quantities whose values in two tables differ by more than rounding."""
    groups: dict[tuple[str, str, str], list[Matched]] = {}
    for row in rows:
        if row.plan:
            groups.setdefault((row.plan.dataset, row.plan.model, row.plan.method), []).append(row)
    found = []
    for group in groups.values():
        for quantity in TITLES:
            printed = [(row, number) for row in group if (number := row.number(quantity))]
            pairs = combinations(printed, 2)
            if not any(one.low > other.high or other.low > one.high for (_, one), (_, other) in pairs):
                continue
            said = listed([f"{number.said()} in {row.table}" for row, number in printed])
            names = max((row.row for row, _ in printed), key=lambda row: bool(row.printed[2]))
            text = f"{names.label}: {TITLES[quantity]} is {said}."
            concerned = [(row, quantity) for row, _ in printed]
            found.append(finding("tables_disagree", "inconsistent", concerned, text))
    return found
