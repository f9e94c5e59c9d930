"""The search of one method on one dataset and model: the settings of each trial, and its part of the journal."""

import warnings
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import optuna
from optuna.samplers import QMCSampler, RandomSampler
from optuna.storages import JournalStorage
from optuna.trial import TrialState, create_trial

from bench.method.search_space import Range, SearchSpace
from bench.record.tuning import Trial
from bench.run.search.space import distributions
from bench.study.cell import Cell

#: Significant digits of a tried number, so that a table can print it in full.
DIGITS = 3
#: Attribute of a trial in the journal.
NUMBER = "number"


class Group:
    """One search; its settings depend on space and seed alone, so that a lost journal changes nothing.

    Attributes:
        cell: cell of the study with the settings that are not searched.
        space: values to try.
    """

    def __init__(self, cell: Cell, space: SearchSpace, name: str, seed: int, storage: JournalStorage) -> None:
        """Open the search.

        Args:
            cell: cell of the study.
            space: values to try.
            name: name of the search in the journal.
            seed: seed of the quasi-random sequence.
            storage: the journal.
        """
        self.cell, self.space, self._seed = cell, space, seed
        self._settings: list[dict[str, Any]] = []
        self._journal = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
        self._noted = {trial.user_attrs.get(NUMBER) for trial in self._journal.get_trials(deepcopy=False)}

    @cached_property
    def _sequence(self) -> optuna.Study:
        """A study in memory that gives the settings of one trial after the other."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = QMCSampler(
                qmc_type="sobol", scramble=True, seed=self._seed, independent_sampler=RandomSampler(self._seed),
                warn_independent_sampling=False,
            )  # fmt: skip
        return optuna.create_study(sampler=sampler)

    def settings(self, number: int) -> dict[str, Any]:
        """The values of a trial by option, numbers rounded to ``DIGITS`` significant digits."""
        while len(self._settings) <= number:
            trial = self._sequence.ask(distributions(self.space))
            self._sequence.tell(trial, 0.0)  # the sequence begins after a first result, whatever that is
            self._settings.append({name: self._rounded(name, value) for name, value in trial.params.items()})
        return self._settings[number]

    def _rounded(self, name: str, value: Any) -> Any:
        searched = self.space[name]
        if not isinstance(searched, Range) or not isinstance(value, float):
            return value
        return min(max(float(f"{value:.{DIGITS}g}"), searched.low), searched.high)

    def note(self, results: Mapping[int, Trial]) -> None:
        """Write results to the journal, each once and in one line.

        Args:
            results: finished trials by number.
        """
        for number, trial in results.items():
            if number not in self._noted:
                failed = trial.macro_f1 is None
                self._journal.add_trial(create_trial(
                    state=TrialState.FAIL if failed else TrialState.COMPLETE, value=trial.macro_f1,
                    params=trial.settings, distributions=distributions(self.space), user_attrs={NUMBER: number},
                ))  # fmt: skip
                self._noted.add(number)
