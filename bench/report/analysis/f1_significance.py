"""Significance of macro F1: the interval of each row, and its difference from the best of its model and dataset."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.record.record import Record
from bench.report.analysis.bootstrap import Resampled
from bench.report.analysis.paired import between
from bench.report.analysis.quantities.readers import macro_f1
from bench.report.analysis.ranks import dataset_and_model, grouped
from bench.report.analysis.significance import Direction, Significance, leading, over_texts_and_seeds, possible
from bench.report.analysis.stacked import ReadRecord, stack, unlike
from bench.report.analysis.statistics import by_row, first_of_each_seed, measured
from bench.text.tables.table import Rank


@dataclass(frozen=True, slots=True)
class Against:
    """Comparison of one row with a better one.

    Attributes:
        best: index of the better row.
        verdict: verdict on this row; lower or higher if all intervals of the difference exclude 0.
        lead: interval of the better row's F1 minus this row's, on common seeds; None if unknown.
        over: sources of the interval, see RowSignificance.
        reason: reason for an unknown verdict; empty otherwise.
    """

    best: int
    verdict: Direction
    lead: tuple[float, float] | None = None
    over: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RowSignificance:
    """Significance of the macro F1 of one row within its group.

    Attributes:
        interval: interval of its mean; None without F1, or with one seed and no predictions.
        over: sources of the interval: texts, seeds, both or none.
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
class _Runs:
    """The predictions of one row: indices of the resampled runs by seed, or the reason why there are none."""

    resampled: Resampled | None
    places: Mapping[int, int]
    reason: str = ""

    def of(self, seeds: Sequence[int]) -> list[int]:
        return [self.places[seed] for seed in seeds]


@dataclass(frozen=True, slots=True)
class _F1Row:
    """One row with an F1: one record per seed, and their predictions if these were read."""

    records: Sequence[Record]
    f1: Mapping[int, float]
    runs: _Runs | None

    @property
    def mean(self) -> float:
        return fmean(self.f1.values())


class F1Significance:
    """Significance of the macro F1 of one run's rows; texts are resampled once for all tables.

    Attributes:
        reads: whether predictions are read.
    """

    def __init__(self, records: Iterable[Record], read: ReadRecord | None = None) -> None:
        """Resample the texts of each dataset.

        Args:
            records: records of the run, failed ones included.
            read: reader of a record's predictions; None: without predictions.
        """
        self.reads = read is not None
        self._runs: dict[str, _Runs] = {}
        if read is not None:
            rows = [row for row in map(_with_f1, by_row(records)) if row]
            for places in grouped(rows, lambda record: record.cell.dataset.name):
                self._runs |= _resample({rows[at][0].cell.row_id: rows[at] for at in places}, read)

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
            known = {at: self._row(records) for at in places if (records := _with_f1(rows[at]))}
            for at, own in _of_group(known).items() if known else ():
                found[at] = own
        return found

    def _row(self, records: Sequence[Record]) -> _F1Row:
        f1 = {record.cell.seed: macro_f1(record) or 0.0 for record in records}
        return _F1Row(records, f1, self._runs.get(records[0].cell.row_id))


def _with_f1(row: Iterable[Record]) -> list[Record]:
    """The records with an F1, one per seed."""
    known = [(record, f1) for record in measured(row) if (f1 := macro_f1(record)) is not None]
    return [record for record, _ in first_of_each_seed(known)]


def _of_group(group: Mapping[int, _F1Row]) -> dict[int, RowSignificance]:
    order = sorted(group, key=lambda at: -group[at].mean)
    best, *others = order
    against = {at: _against(best, at, group) for at in others}

    def is_lower(better: int, at: int) -> bool:
        return (against[at] if better == best else _against(better, at, group)).verdict == "lower"

    ranks = leading(order, is_lower)
    found = {}
    for at, row in group.items():
        interval, over = _interval(row)
        unread = row.runs.reason if row.runs else ""
        is_best = at == best and len(group) > 1
        found[at] = RowSignificance(interval, over, unread, is_best, against.get(at), ranks.get(at, ""))
    return found


def _resample(group: Mapping[str, Sequence[Record]], read: ReadRecord) -> dict[str, _Runs]:
    """The runs of every row; rows on the same texts are resampled together."""
    found: dict[str, _Runs] = {}
    same_texts: list[list[str]] = []
    for name, row in group.items():
        reason = stack(row, read)
        if isinstance(reason, str):
            found[name] = _Runs(None, {}, reason)
            continue
        home = next((rows for rows in same_texts if not isinstance(stack([*group[rows[0]], *row], read), str)), None)
        if home is None:
            same_texts.append([name])
        else:
            home.append(name)
    for rows in same_texts:
        records = [record for name in rows for record in group[name]]
        stacked = stack(records, read)
        assert not isinstance(stacked, str), "each row was stacked with the first"
        num_seeds = Counter(len(group[name]) for name in rows).most_common(1)[0][0]
        resampled = Resampled(stacked.truth, stacked.predicted, stacked.num_labels, num_seeds)
        place = {record.cell_id: at for at, record in enumerate(records)}
        for name in rows:
            found[name] = _Runs(resampled, {record.cell.seed: place[record.cell_id] for record in group[name]})
    return found


def _interval(row: _F1Row) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """The interval of a mean over seeds, and its sources."""
    runs = row.runs
    texts = runs.resampled.interval(list(runs.places.values())) if runs and runs.resampled is not None else None
    found = over_texts_and_seeds(texts, list(row.f1.values()))
    return found.interval and possible(found.interval, largest=1), found.sources


def _against(best: int, at: int, group: Mapping[int, _F1Row]) -> Against:
    """Compare a row with a better one, on common seeds."""
    one, other = group[best], group[at]
    seeds = sorted(one.f1.keys() & other.f1.keys())
    if not seeds:
        return Against(best, "unknown", reason="no seed that both measured")
    first, second = one.runs, other.runs
    if first and second and first.resampled is not None and first.resampled is second.resampled:
        found = between(first.resampled, first.of(seeds), second.of(seeds))
        return _compared(best, found.significance)
    if reason := unlike([*one.records, *other.records]):
        return Against(best, "unknown", reason=reason)
    if len(seeds) > 1:
        return _compared(best, over_texts_and_seeds(None, [one.f1[seed] - other.f1[seed] for seed in seeds]))
    unread = [runs.reason for runs in (second, first) if runs and runs.reason]
    return Against(best, "unknown", reason=unread[0] if unread else "one seed, and no predictions beside the records")


def _compared(best: int, lead: Significance) -> Against:
    """The comparison with a better row, from the significance of that row's lead."""
    opposite: dict[Direction, Direction] = {"higher": "lower", "lower": "higher"}
    return Against(best, opposite.get(lead.verdict, lead.verdict), lead.interval, lead.sources)
