"""A finding in published tables, and functions shared by the modules that make findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from bench.commands.audit.match import Matched

Severity = Literal["impossible", "inconsistent", "note"]
#: Title of each kind, in the order of a report.
KINDS = {
    "more_trained_than_there": "More trainable than total parameters",
    "accuracy_without_count": "Accuracies that no number of right answers gives",
    "no_confusion_matrix": "Scores that no confusion matrix gives",
    "f1_above_its_parts": "F1 above what precision and recall allow",
    "below_own_parts": "GFLOPs below what the model's own parts cost",
    "less_for_more_work": "Fewer GFLOPs printed for more work",
    "implied_lengths_differ": "GFLOPs of one model and dataset imply different sequence lengths",
    "total_holds_untrained": "Totals that contain another method's parameters",
    "faster_with_more_work": "Throughput that contradicts the FLOPs",
    "slower_at_same_work": "Throughputs far apart at nearly the same FLOPs",
    "tables_disagree": "The same quantity printed differently in two tables",
    "accuracy_cut": "Accuracies cut where others are rounded",
    "averages_mixed": "Differently averaged scores in one table",
    "constant_answer": "F1 of a constant answer",
    "below_constant_answer": "F1 below the best constant answer",
    "undecided": "What the check of counts can and cannot decide",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or remark about printed numbers.

    Attributes:
        kind: one of KINDS.
        severity: impossible (no run can give it), inconsistent (the numbers contradict each other) or note.
        rows: labels of the rows concerned, as printed.
        text: an explanation with the numbers.
        places: key of the table, line and quantity of each number concerned.
    """

    kind: str
    severity: Severity
    rows: tuple[str, ...]
    text: str
    places: tuple[tuple[str, int, str], ...]


def finding(kind: str, severity: Severity, concerned: Sequence[tuple[Matched, str]], text: str) -> Finding:
    """A finding about the given numbers.

    Args:
        kind: one of KINDS.
        severity: see Finding.
        concerned: row and quantity of each number.
        text: an explanation with the numbers.
    """
    rows = tuple(dict.fromkeys(row.row.label for row, _ in concerned))
    places = tuple(dict.fromkeys((row.table, row.row.line, quantity) for row, quantity in concerned))
    return Finding(kind, severity, rows, text, places)


def by_dataset_and_model(rows: Sequence[Matched]) -> Iterator[list[Matched]]:
    """Rows of one table on the same dataset and model of the plan."""
    groups: dict[tuple[str, str, str], list[Matched]] = {}
    for row in rows:
        if row.plan:
            groups.setdefault((row.table, row.plan.dataset, row.plan.model), []).append(row)
    yield from groups.values()


def where(row: Matched) -> str:
    """Dataset and model of a row, as printed."""
    return f"{row.row.printed[0]}, {row.row.printed[1]}" if row.row.printed[2] else row.row.printed[0]


def giga(flops: Decimal | float) -> str:
    """FLOPs in GFLOPs."""
    return f"{float(flops) / 1e9:.2f}"


def listed(items: Sequence[str]) -> str:
    """One or more items, joined with commas and "and"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
