"""Quantities of the search that chose the options of a row; every seed of a row has the same search."""

from bench.record.record import Record
from bench.report.analysis.quantities import readers
from bench.report.analysis.quantities.quantity import Quantity
from bench.text.display import one_line

NOT_SEARCHED = "its options were not searched"


def was_searched(record: Record) -> bool:
    """Whether a search chose the record's options."""
    return record.tuning is not None


def chosen_settings(record: Record) -> str | None:
    """The settings of the best trial, such as ``learning_rate = 0.0003, train.epochs = 2``; None without one."""
    tuning = record.tuning
    if tuning is None or tuning.best is None:
        return None
    settings = tuning.trials[tuning.best].settings
    return one_line(", ".join(f"{name} = {value}" for name, value in settings.items()), 300)


def _trials(record: Record) -> int | None:
    return None if record.tuning is None else len(record.tuning.trials)


def _not_searched(record: Record) -> str | None:
    return None if was_searched(record) else NOT_SEARCHED


def _no_search_flops(record: Record) -> str:
    return _not_searched(record) or "those of a trial are unknown, for example of a failed one"


def _no_search_energy(record: Record) -> str:
    return _not_searched(record) or "that of a trial is unknown: no counter was read, or it failed"


SEARCH = (
    Quantity(
        "search_trials", "Trials", _trials, ("tuning",), 0, explain=_not_searched, frame="search_trials",
        dtype="Int64", meaning="trials of the search that chose the options, failed ones included",
        places={"table3 csv": 2, "search": 1}, wanted=was_searched,
    ),
    Quantity(
        "search_seconds", "Search\n(s)", readers.at("tuning.seconds"), ("tuning",), 1, explain=_not_searched,
        frame="search_seconds", meaning="wall-clock time of all trials", better="lower",
        places={"table3 csv": 3, "search": 2, "page": 94}, wanted=was_searched,
    ),
    Quantity(
        "search_tflops", "Search\n(TFLOPs)", readers.at("tuning.training_flops"), ("tuning",), 2,
        explain=_no_search_flops, convert=readers.divided_by(1e12), frame="search_training_flops",
        meaning="of the training steps of all trials", better="lower",
        places={"table3 csv": 4, "search": 3, "page": 95}, wanted=was_searched,
    ),
    Quantity(
        "search_kj", "Search\nenergy (kJ)", readers.at("tuning.energy_joules"), ("tuning",), 2,
        explain=_no_search_energy, convert=readers.divided_by(1e3), frame="search_energy_joules",
        meaning="of all phases of all trials", better="lower",
        places={"table3 csv": 5, "search": 4, "page": 96}, wanted=was_searched,
    ),
    Quantity(
        "chosen_settings", "", chosen_settings, ("tuning",), 0, frame="chosen_settings", dtype="string",
        meaning="settings of the best trial, by validation macro F1",
    ),
)  # fmt: skip
"""Trials and costs of a search, and what it chose."""
