"""Significance of macro F1: the interval of each row, and its difference from the best of its model and dataset."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np

from bench.record.record import Record
from bench.report.analysis.macro_f1 import Contributions, contributions
from bench.report.analysis.quantities.readers import macro_f1
from bench.report.analysis.ranks import dataset_and_model, grouped
from bench.report.analysis.significance import (
    ONE_SEED,
    Decision,
    Direction,
    Estimate,
    decide,
    leading,
    over_seeds,
    possible,
)
from bench.report.analysis.stacked import ReadRecord, reader, stack, unlike
from bench.report.analysis.statistics import by_row, first_of_each_seed, measured
from bench.report.analysis.variance import over_texts_and_seeds
from bench.report.results.predictions import Predictions
from bench.report.results.run import Run
from bench.text.tables.table import Rank


@dataclass(frozen=True, slots=True)
class Against:
    """Comparison of one row with a better one.

    Attributes:
        best: index of the better row.
        verdict: verdict on this row.
        lead: interval of the better row's F1 minus this row's, on common seeds; None if unknown.
        p_value: p-value, adjusted for all pairs of rows of the group; None if the verdict is unknown.
        detectable: difference that would have been significant with a probability of 80 %; None if unknown.
        over: sources of the interval, see RowSignificance.
        reason: reason for an unknown verdict; empty otherwise.
    """

    best: int
    verdict: Direction
    lead: tuple[float, float] | None = None
    p_value: float | None = None
    detectable: float | None = None
    over: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RowSignificance:
    """Significance of the macro F1 of one row within its group.

    Attributes:
        interval: interval of its mean; None without F1, or with one seed and no predictions.
        over: sources of variation that the interval holds: texts, seeds, splits; empty without an interval.
        unread: reason why existing predictions are not used; empty otherwise.
        is_best: whether it is the best of several rows.
        against: comparison with the best; None for the best itself, a single row, or a row without F1.
        rank: best if every other row is lower; second if there is such a best and at least one row below, and all rows
            below are lower.
    """

    interval: tuple[float, float] | None = None
    over: tuple[str, ...] = ()
    unread: str = ""
    is_best: bool = False
    against: Against | None = None
    rank: Rank = ""


@dataclass(frozen=True, slots=True)
class Predicted:
    """The predictions of one row.

    Attributes:
        texts: name of the texts; rows on the same texts share it.
        by_seed: contribution of each text to the F1 of each seed, shape [N]; empty without predictions.
        reason: reason why there are none.
    """

    texts: str = ""
    by_seed: Mapping[int, Contributions] | None = None
    reason: str = ""

    def of(self, seeds: Iterable[int]) -> Contributions:
        """Contributions of the texts to the F1 of these seeds, shape [S, N]."""
        assert self.by_seed is not None, "only rows with predictions are asked"
        return np.stack([self.by_seed[seed] for seed in seeds])


@dataclass(frozen=True, slots=True)
class F1Row:
    """One row with an F1.

    Attributes:
        records: one record per seed.
        f1: macro F1 by seed.
        predicted: their predictions, if these were read.
    """

    records: Sequence[Record]
    f1: Mapping[int, float]
    predicted: Predicted

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return fmean(self.f1.values())


class F1Significance:
    """Significance of the macro F1 of one run's rows.

    Attributes:
        reads: whether predictions are read.
    """

    def __init__(self, records: Iterable[Record], read: ReadRecord | None = None) -> None:
        """Read the predictions of each dataset.

        Args:
            records: records of the run, failed ones included.
            read: reader of a record's predictions; None: without predictions.
        """
        self.reads = read is not None
        self._predicted: dict[str, Predicted] = {}
        if read is not None:
            rows = [row for row in map(_with_f1, by_row(records)) if row]
            for places in grouped(rows, lambda record: record.cell.dataset.name):
                self._predicted |= _on_texts({rows[at][0].cell.row_id: rows[at] for at in places}, read)

    def of_rows(
        self, rows: Sequence[Sequence[Record]], group: Callable[[Record], Hashable] = dataset_and_model
    ) -> list[RowSignificance]:
        """The significance of every row within its group.

        Args:
            rows: records of each row, failed ones included.
            group: key of a row's group, from one of its records; a group has one dataset.
        """
        found = [RowSignificance() for _ in rows]
        for places in grouped(rows, group):
            known = {at: row for at in places if (row := self.row(rows[at])) is not None}
            for at, own in _of_group(known).items() if known else ():
                found[at] = own
        return found

    def row(self, of: Sequence[Record]) -> F1Row | None:
        """The F1 and predictions of one row, from its records; None without F1."""
        records = _with_f1(of)
        if not records:
            return None
        f1 = {record.cell.seed: macro_f1(record) or 0.0 for record in records}
        return F1Row(records, f1, self._predicted.get(records[0].cell.row_id, Predicted()))


def of_run(run: Run) -> F1Significance:
    """The significance of a run's F1, from its predictions if any cell has them."""
    read = any(isinstance(cell.evidence.predictions, Predictions) for cell in run.cells)
    return F1Significance(run.records, reader(run.cells) if read else None)


def _with_f1(row: Iterable[Record]) -> list[Record]:
    """The records with an F1, one per seed."""
    known = [(record, f1) for record in measured(row) if (f1 := macro_f1(record)) is not None]
    return [record for record, _ in first_of_each_seed(known)]


def _of_group(group: Mapping[int, F1Row]) -> dict[int, RowSignificance]:
    order = sorted(group, key=lambda at: -group[at].mean)
    best = order[0]
    pairs = list(combinations(order, 2))
    decided = dict(zip(pairs, decide([lead(group[one], group[other]) for one, other in pairs]), strict=True))
    ranks = leading(order, lambda better, at: decided[better, at].direction == "higher")
    found = {}
    for at, row in group.items():
        interval, over = _interval(row)
        found[at] = RowSignificance(
            interval, over, row.predicted.reason, at == best and len(group) > 1,
            _against(best, decided[best, at], row) if at != best else None, ranks.get(at, ""),
        )  # fmt: skip
    return found


def _on_texts(group: Mapping[str, Sequence[Record]], read: ReadRecord) -> dict[str, Predicted]:
    """The predictions of every row, with the texts in one order for all rows on the same texts."""
    found: dict[str, Predicted] = {}
    for name, row in group.items():
        reason = stack(row, read)
        if isinstance(reason, str):
            found[name] = Predicted(reason=reason)
            continue
        for home in dict.fromkeys([*(one.texts for one in found.values() if one.by_seed), name]):
            stacked = stack([*group[home], *row], read)
            if not isinstance(stacked, str):
                own = contributions(stacked.truth, stacked.predicted[-len(row) :], stacked.num_labels)
                found[name] = Predicted(home, {record.cell.seed: one for record, one in zip(row, own, strict=True)})
                break
    return found


def _interval(row: F1Row) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """The interval of a mean over seeds, and its sources."""
    if row.predicted.by_seed:
        found = over_texts_and_seeds(row.predicted.of(row.f1))
    elif len(row.f1) > 1:
        found = over_seeds(list(row.f1.values()))
    else:
        return None, ()
    return possible(found.interval, largest=1), sources(found, row.records)


def sources(found: Estimate, records: Iterable[Record]) -> tuple[str, ...]:
    """The sources of variation of an estimate from records; splits count if each seed draws its own."""
    redrawn = "seeds" in found.sources and all(record.cell.data.resample_splits for record in records)
    return (*found.sources, "splits") if redrawn else found.sources


def lead(one: F1Row, other: F1Row) -> Estimate | str:
    """The difference of two rows on common seeds, or the reason why it is unknown."""
    seeds = sorted(one.f1.keys() & other.f1.keys())
    if not seeds:
        return "no seed that both measured"
    first, second = one.predicted, other.predicted
    if first.by_seed and second.by_seed and first.texts == second.texts:
        return over_texts_and_seeds(first.of(seeds) - second.of(seeds))
    if reason := unlike([*one.records, *other.records]):
        return reason
    if len(seeds) > 1:
        return over_seeds([one.f1[seed] - other.f1[seed] for seed in seeds])
    return f"{ONE_SEED}; {second.reason or first.reason or 'no predictions beside the records'}"


def _against(best: int, lead: Decision, row: F1Row) -> Against:
    """The comparison with a better row, from the decision on that row's lead."""
    estimate = lead.estimate
    return Against(
        best, lead.mirrored.direction, estimate.interval if estimate else None, lead.p_value, lead.detectable,
        sources(estimate, row.records) if estimate else (), lead.reason,
    )  # fmt: skip
