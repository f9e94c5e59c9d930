"""How sure a row's macro F1 is, and whether it can be told from the best of its model and dataset."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from bench.record import Record
from bench.report.bootstrap import Resampled
from bench.report.paired import between
from bench.report.quantities import macro_f1
from bench.report.stacked import ReadRecord, stack, unlike
from bench.report.statistics import possible, student_interval

Verdict = Literal["lower", "not told apart", "higher", "unknown"]


@dataclass(frozen=True, slots=True)
class Against:
    """One row against the best.

    Attributes:
        best: row of the highest mean; the first of several.
        verdict: of this row; lower or higher where all intervals of the difference leave 0 out.
        lead: interval of the best's F1 less this row's, on the seeds of both; None where unknown.
        over: what the interval is over, see Standing.
        reason: why the verdict is unknown; empty otherwise.
    """

    best: int
    verdict: Verdict
    lead: tuple[float, float] | None = None
    over: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the macro F1 of one row is worth.

    Attributes:
        interval: of its mean; None where there is one seed and no predictions, or no F1.
        over: what the interval is over: texts, seeds, both or none.
        unread: why predictions that were at hand are not used; empty otherwise.
        is_best: of several rows of its model and dataset.
        against: the best of them; None for the best itself, for a row alone and for one without F1.
    """

    interval: tuple[float, float] | None = None
    over: tuple[str, ...] = ()
    unread: str = ""
    is_best: bool = False
    against: Against | None = None


@dataclass(frozen=True, slots=True)
class _Runs:
    """The predictions of one row: places among the resampled runs by seed; or why there are none."""

    resampled: Resampled | None
    places: Mapping[int, int]
    reason: str = ""

    def of(self, seeds: Sequence[int]) -> list[int]:
        return [self.places[seed] for seed in seeds]


def standings(rows: Sequence[Sequence[Record]], read: ReadRecord | None) -> list[Standing]:
    """The standing of every row among those of its model and dataset.

    Args:
        rows: the measured records of each, a seed each; may be none.
        read: gives the predictions of a record; None where records alone are at hand.
    """
    found = [Standing() for _ in rows]
    groups: dict[tuple[str, str], list[int]] = {}
    for at, row in enumerate(rows):
        if any(macro_f1(record) is not None for record in row):
            groups.setdefault((row[0].cell.dataset.name, row[0].cell.model.name), []).append(at)
    for group in groups.values():
        known = {at: [record for record in rows[at] if macro_f1(record) is not None] for at in group}
        for at, standing in _of_group(known, read).items():
            found[at] = standing
    return found


def _of_group(group: Mapping[int, Sequence[Record]], read: ReadRecord | None) -> dict[int, Standing]:
    f1 = {at: {record.cell.seed: macro_f1(record) or 0.0 for record in row} for at, row in group.items()}
    runs = _resample(group, read) if read is not None else {}
    best = max(f1, key=lambda at: fmean(f1[at].values()))
    found = {}
    for at in group:
        interval, over = _interval(list(f1[at].values()), runs.get(at))
        against = _against(best, at, group, f1, runs) if at != best else None
        unread = runs[at].reason if at in runs else ""
        found[at] = Standing(interval, over, unread, at == best and len(group) > 1, against)
    return found


def _resample(group: Mapping[int, Sequence[Record]], read: ReadRecord) -> dict[int, _Runs]:
    """The runs of every row, those on the same texts resampled together."""
    found: dict[int, _Runs] = {}
    alike: list[list[int]] = []
    for at, row in group.items():
        reason = stack(row, read)
        if isinstance(reason, str):
            found[at] = _Runs(None, {}, reason)
            continue
        home = next((rows for rows in alike if not isinstance(stack([*group[rows[0]], *row], read), str)), None)
        if home is None:
            alike.append([at])
        else:
            home.append(at)
    for rows in alike:
        records = [record for at in rows for record in group[at]]
        stacked = stack(records, read)
        assert not isinstance(stacked, str), "each row was found to be like the first"
        num_seeds = Counter(len(group[at]) for at in rows).most_common(1)[0][0]
        resampled = Resampled(stacked.truth, stacked.predicted, stacked.num_labels, num_seeds)
        place = {record.cell_id: at for at, record in enumerate(records)}
        for at in rows:
            found[at] = _Runs(resampled, {record.cell.seed: place[record.cell_id] for record in group[at]})
    return found


def _interval(f1: Sequence[float], runs: _Runs | None) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """The interval of a mean over seeds, as wide as all that are known take it to be, and what they are over."""
    ends = {}
    if runs is not None and runs.resampled is not None:
        ends["texts"] = runs.resampled.interval(list(runs.places.values()))
    if len(f1) > 1:
        ends["seeds"] = student_interval(f1)
    if not ends:
        return None, ()
    lows, highs = zip(*ends.values(), strict=True)
    return possible((min(lows), max(highs)), largest=1), tuple(ends)


def _against(
    best: int,
    at: int,
    group: Mapping[int, Sequence[Record]],
    f1: Mapping[int, Mapping[int, float]],
    runs: Mapping[int, _Runs],
) -> Against:
    """One row against the best, on the seeds of both.

    Args:
        best: the best row.
        at: the other.
        group: records by row.
        f1: by row and seed.
        runs: predictions by row; none where records alone are at hand.
    """
    seeds = sorted(f1[best].keys() & f1[at].keys())
    if not seeds:
        return Against(best, "unknown", reason="no seed that both measured")
    first, second = runs.get(best), runs.get(at)
    if first and second and first.resampled is not None and first.resampled is second.resampled:
        found = between(first.resampled, first.of(seeds), second.of(seeds))
        return _judged(best, found.interval, ("texts", "seeds") if len(seeds) > 1 else ("texts",))
    if reason := unlike([*group[best], *group[at]]):
        return Against(best, "unknown", reason=reason)
    if len(seeds) > 1:
        return _judged(best, student_interval([f1[best][seed] - f1[at][seed] for seed in seeds]), ("seeds",))
    unread = [one.reason for one in (second, first) if one and one.reason]
    return Against(best, "unknown", reason=unread[0] if unread else "one seed, and no predictions beside the records")


def _judged(best: int, lead: tuple[float, float], over: tuple[str, ...]) -> Against:
    low, high = lead
    verdict: Verdict = "lower" if low > 0 else "higher" if high < 0 else "not told apart"
    return Against(best, verdict, lead, over)
