"""Findings in published tables, computed from their numbers; one function for each kind of finding."""

from collections.abc import Mapping, Sequence

from bench.commands.audit.findings.finding import KINDS, Finding, Severity
from bench.commands.audit.findings.flops import below_own_parts, implied_lengths_differ, less_for_more_work
from bench.commands.audit.findings.integers import (
    accuracy_cut,
    accuracy_without_count,
    no_confusion_matrix,
    undecided,
)
from bench.commands.audit.findings.parameters import more_trained_than_there, total_holds_untrained
from bench.commands.audit.findings.scores import (
    averages_mixed,
    below_constant_answer,
    constant_answer,
    f1_above_its_parts,
)
from bench.commands.audit.findings.tables import tables_disagree
from bench.commands.audit.findings.throughput import faster_with_more_work, slower_at_same_work
from bench.commands.audit.lengths import FlopsAt
from bench.commands.audit.match import Matched

__all__ = [
    "KINDS", "Finding", "Severity", "accuracy_cut", "accuracy_without_count", "averages_mixed",
    "below_constant_answer", "below_own_parts", "constant_answer", "f1_above_its_parts", "faster_with_more_work",
    "find_all", "implied_lengths_differ", "less_for_more_work", "more_trained_than_there", "no_confusion_matrix",
    "slower_at_same_work", "tables_disagree", "total_holds_untrained", "undecided",
]  # fmt: skip


def find_all(
    rows: Sequence[Matched], label_counts: Mapping[str, Mapping[str, int]], flops_at: FlopsAt | None = None
) -> tuple[Finding, ...]:
    """Every kind of finding, in the order of KINDS.

    Args:
        rows: rows of all tables.
        label_counts: test texts per label, by study name of the dataset.
        flops_at: forward FLOPs at other lengths than the plan's.
    """
    return (
        *more_trained_than_there(rows), *accuracy_without_count(rows, label_counts),
        *no_confusion_matrix(rows, label_counts), *f1_above_its_parts(rows), *below_own_parts(rows),
        *less_for_more_work(rows),
        *implied_lengths_differ(rows, flops_at), *total_holds_untrained(rows), *faster_with_more_work(rows),
        *slower_at_same_work(rows), *tables_disagree(rows), *accuracy_cut(rows, label_counts),
        *averages_mixed(rows, label_counts),
        *constant_answer(rows, label_counts), *below_constant_answer(rows, label_counts),
        *undecided(rows, label_counts),
    )  # fmt: skip
