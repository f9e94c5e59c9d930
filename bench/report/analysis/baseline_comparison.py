"""Whether each row's macro F1 beats the best baseline: the best row without a model on the same texts."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from bench.record.record import Record
from bench.report.analysis.f1_significance import F1Row, F1Significance, lead
from bench.report.analysis.significance import ONE_SEED, Decision, Estimate, decide, over_seeds
from bench.report.analysis.stacked import unlike
from bench.report.analysis.variance import over_texts_and_seeds


@dataclass(frozen=True, slots=True)
class AgainstBaseline:
    """Comparison of one row with the best baseline on its texts.

    Attributes:
        baseline: index of the baseline's row.
        decision: decision on the row's F1 minus the baseline's; higher: the row beats it.
    """

    baseline: int
    decision: Decision


def against_baselines(significance: F1Significance, rows: Sequence[Sequence[Record]]) -> list[AgainstBaseline | None]:
    """The comparison of each row with its best baseline; None for baselines, and for rows without F1 or baseline.

    The family of differences is that of all rows.

    Args:
        significance: significance of these records' F1.
        rows: records of each row, failed ones included.
    """
    known = {at: row for at, records in enumerate(rows) if (row := significance.row(records)) is not None}
    best: dict[Hashable, int] = {}
    for at, row in known.items():
        key = _texts(row.records[0])
        if _is_baseline(row) and (key not in best or row.mean > known[best[key]].mean):
            best[key] = at
    others = {at: _texts(row.records[0]) for at, row in known.items() if not _is_baseline(row)}
    pairs = [(at, best[key]) for at, key in others.items() if key in best]
    decided = decide([_difference(known[at], known[baseline]) for at, baseline in pairs])
    found: list[AgainstBaseline | None] = [None] * len(rows)
    for (at, baseline), decision in zip(pairs, decided, strict=True):
        found[at] = AgainstBaseline(baseline, decision)
    return found


def _is_baseline(row: F1Row) -> bool:
    return row.records[0].cell.model.kind == "none"


def _texts(record: Record) -> Hashable:
    """What determines the texts of a cell; a method without a model has no maximum length."""
    settings = record.cell.data.model_dump(exclude={"max_length"})
    return record.cell.dataset.name, record.cell.dataset.fingerprint, tuple(sorted(settings.items()))


def _difference(row: F1Row, baseline: F1Row) -> Estimate | str:
    """The row's F1 minus the baseline's, or the reason why it is unknown."""
    if row.records[0].cell.data.resample_splits:
        return lead(row, baseline)
    # Without a seed of its own, the baseline has the same result beside every seed of the row.
    seeds = sorted(row.f1)
    first, second = row.predicted, baseline.predicted
    if first.by_seed and second.by_seed and first.texts == second.texts:
        return over_texts_and_seeds(first.of(seeds) - second.of([min(baseline.f1)]))
    if reason := unlike([*row.records, *baseline.records]):
        return reason
    if len(seeds) > 1:
        return over_seeds([row.f1[seed] - baseline.mean for seed in seeds])
    return f"{ONE_SEED}; {second.reason or first.reason or 'no predictions beside the records'}"
