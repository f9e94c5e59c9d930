"""How the options of a measured cell were found: the trials of a search on validation texts."""

from typing import Any

from pydantic import Field

from bench.schema import Frozen, Share


class Trial(Frozen):
    """One trial of a search: the method trained with some options, and evaluated on validation texts."""

    settings: dict[str, Any] = Field(description="tried values by option; settings of training are train.<setting>")
    macro_f1: Share | None = Field(description="validation macro F1, the mean over seeds; null if a seed failed")
    seconds: float = Field(description="wall-clock time, the sum over seeds")
    training_flops: float | None = Field(description="FLOPs of the training steps, the sum over seeds")
    energy_joules: float | None = Field(None, description="energy of all phases, the sum over seeds; null if unread")
    pruned: bool = Field(False, description="ended early, because it was below the median of earlier trials")


class Tuning(Frozen):
    """The search that chose the options of a cell."""

    trials: tuple[Trial, ...] = Field(description="in the order of the search")
    best: int | None = Field(description="position of the chosen trial, from 0; null if every trial failed")
    space: dict[str, Any] = Field(description="values that a trial could have, by option")
    seeds: tuple[int, ...]
    budget_trials: int | None = Field(description="trials that the study allows; null if it allows a time")
    budget_seconds: float | None = Field(description="time that the study allows; null if it allows trials")
    floor_macro_f1: float | None = Field(
        None, description="higher macro F1 of the majority class and of uniform random answers, on validation texts"
    )

    @property
    def seconds(self) -> float:
        """Wall-clock time of the search."""
        return sum(trial.seconds for trial in self.trials)

    @property
    def training_flops(self) -> float | None:
        """Training FLOPs of the search; None if those of a trial are unknown."""
        return _total([trial.training_flops for trial in self.trials])

    @property
    def energy_joules(self) -> float | None:
        """Energy of the search; None if that of a trial is unknown."""
        return _total([trial.energy_joules for trial in self.trials])


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
