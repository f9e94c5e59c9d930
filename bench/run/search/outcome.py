"""The outcome of a search: results of its trials, the best one, and whether the choice is sound."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from bench.method.search_space import edge_of, parse, shown
from bench.record.baselines import majority_macro_f1, random_macro_f1
from bench.record.record import Check, Record
from bench.record.tuning import Trial, Tuning
from bench.study.tuning import TuneSettings

#: Name of the check of a tuned cell.
TUNED = "tuned"
#: Types of failure whose reason lies outside of the trial; the first is a killed fork server.
ENDED_FROM_OUTSIDE = ("exit code None", "DiskFull", "FolderLost")
#: Trials before the first one is pruned, as by Optuna's MedianPruner.
STARTUP_TRIALS = 5
#: Largest time of a search as a multiple of its budget, which the last trial may exceed.
MOST_OVERRUN = 1.5


def ended_by_itself(record: Record) -> bool:
    """Whether a record is a trial's result; if it was ended from outside, the trial must be started again."""
    return record.status != "killed" and (record.failure is None or record.failure.type not in ENDED_FROM_OUTSIDE)


def trial_of(settings: Mapping[str, Any], records: Sequence[Record]) -> Trial:
    """The result of a trial.

    Args:
        settings: tried values.
        records: its records, one for each seed.
    """
    scores = [record.quality.macro_f1 for record in records if record.status == "ok" and record.quality]
    flops = [record.training.training_flops if record.training else None for record in records]
    energy = [phase.energy_joules for record in records for phase in record.phases]
    return Trial(
        settings=dict(settings), macro_f1=fmean(scores) if scores and len(scores) == len(records) else None,
        seconds=sum(record.wall_seconds for record in records), training_flops=_sum(flops),
        energy_joules=_sum(energy),
        pruned=any(record.training is not None and record.training.pruned for record in records),
    )  # fmt: skip


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def best_of(trials: Sequence[Trial]) -> int | None:
    """The position of the trial with the highest F1, the first of equal ones; None if every trial failed."""
    scores = [(trial.macro_f1, -at) for at, trial in enumerate(trials) if trial.macro_f1 is not None]
    return -max(scores)[1] if scores else None


def is_budget_used(settings: TuneSettings, trials: Sequence[Trial]) -> bool:
    """Whether no further trial may begin."""
    if settings.trials is not None:
        return len(trials) >= settings.trials
    assert settings.seconds is not None, "a budget is trials or seconds"
    return sum(trial.seconds for trial in trials) >= settings.seconds


def floor_of(records: Sequence[Record]) -> float | None:
    """The higher baseline's macro F1 on the validation texts of a search; None if no trial succeeded."""
    for record in records:
        if record.quality is not None:
            counts = list(record.quality.label_counts.values())
            return max(majority_macro_f1(counts), random_macro_f1(counts))
    return None


def prune_below(records: Sequence[Record]) -> tuple[float | None, ...]:
    """The median, over earlier trials, of the best macro F1 until each validation point.

    Trials of different length are compared at points of the same number. A point that fewer than ``STARTUP_TRIALS``
    trials reached has none.
    """
    curves = []
    for record in records:
        if record.status == "ok" and record.training is not None:
            scores = [point.macro_f1 for point in record.training.validation]
            curves.append([max(scores[: end + 1]) for end in range(len(scores))])
    if len(curves) < STARTUP_TRIALS:
        return ()
    reached = [[curve[at] for curve in curves if at < len(curve)] for at in range(max(map(len, curves)))]
    return tuple(median(scores) if len(scores) >= STARTUP_TRIALS else None for scores in reached)


def check_of(tuning: Tuning) -> Check:
    """The check of a tuned cell: suspect if the choice is not sound."""
    doubts = _doubts(tuning)
    if doubts:
        return Check(name=TUNED, verdict="suspect", found="; ".join(doubts))
    best = tuning.trials[tuning.best or 0]
    found = f"best of {len(tuning.trials)} trials, validation macro F1 {best.macro_f1:.4f}, at no edge of its space"
    return Check(name=TUNED, verdict="valid", found=found)


def _doubts(tuning: Tuning) -> list[str]:
    if tuning.best is None:
        return [f"all {len(tuning.trials)} trials failed; the study's own options were measured"]
    best, space = tuning.trials[tuning.best], parse(tuning.space)
    found = []
    for name, value in best.settings.items():
        if (edge := edge_of(space[name], value)) is not None:
            found.append(f"the best {name}, {value:g}, lies at the {edge} edge of its space, {shown(space[name])}")
    if tuning.floor_macro_f1 is not None and best.macro_f1 is not None and best.macro_f1 <= tuning.floor_macro_f1:
        found.append(
            f"the best validation macro F1, {best.macro_f1:.4f}, is not above the higher baseline's, "
            f"{tuning.floor_macro_f1:.4f}"
        )
    if tuning.budget_seconds is not None and tuning.seconds > MOST_OVERRUN * tuning.budget_seconds:
        found.append(f"unequal budget: the search took {tuning.seconds:.0f} s of {tuning.budget_seconds:g} s")
    return found
