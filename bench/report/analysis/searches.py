"""The searches behind the rows of a report: one curve of expected best F1 for each row."""

from collections.abc import Sequence
from statistics import fmean

from bench.record.record import Record
from bench.record.tuning import Tuning
from bench.report.analysis.expected_best import ExpectedBest, curve, scores_of


def tuning_of(row: Sequence[Record]) -> Tuning | None:
    """The search of a row, which all its records share; None if nothing was searched, or no trial was made."""
    return next((record.tuning for record in row if record.tuning is not None and record.tuning.trials), None)


def curve_of(row: Sequence[Record]) -> list[ExpectedBest]:
    """The expected best F1 of a row's search by number of trials; empty without a search."""
    tuning = tuning_of(row)
    return [] if tuning is None else curve(scores_of(tuning))


def mean_seconds(tuning: Tuning) -> float:
    """Mean wall-clock time of a trial, over all its seeds."""
    return fmean(trial.seconds for trial in tuning.trials)
