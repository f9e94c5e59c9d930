"""The search of a study: asks Optuna for trials, and finds the best settings from the trials' records."""

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import QMCSampler, RandomSampler
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from bench.errors import StudyError, UnknownNameError
from bench.method.search_space import SearchSpace, dump
from bench.record.record import Record
from bench.record.tuning import Trial, Tuning
from bench.run.search.outcome import best_of, floor_of, is_budget_used, prune_below, trial_of
from bench.run.search.space import changed, distributions, space_of, with_settings
from bench.study.cell import Cell
from bench.study.study import Study

#: Significant digits of a tried number, so that a table can print it in full.
DIGITS = 3

#: Starts of a trial in one run, because its worker may be killed for a reason that lies outside of it.
MOST_ATTEMPTS = 3

Latest = Callable[[Cell], Record | None]
"""The latest record of a cell; None if it has none."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The search of one method on one dataset and model."""

    cell: Cell
    space: SearchSpace
    study: optuna.Study

    @property
    def trials(self) -> list[FrozenTrial]:
        """The trials that were asked for, in order."""
        return self.study.get_trials(deepcopy=False)


class Search:
    """The trials of every method that trains a model, for each dataset and model."""

    def __init__(
        self, study: Study, cells: Sequence[Cell], says: Mapping[str, Mapping[str, Any]], storage: JournalStorage,
        latest: Latest,
    ) -> None:  # fmt: skip
        """Open the search of each method.

        Args:
            study: study with a search.
            cells: cells whose settings are searched.
            says: space and options of each row, by name, see ``space_of``.
            storage: journal of the search.
            latest: latest record of a cell.

        Raises:
            StudyError: the search is not possible.
            UnknownNameError: a space names an unknown option.
        """
        assert study.tune is not None, "the study has a search"
        self._study, self._settings, self._latest = study, study.tune, latest
        self._attempts: Counter[str] = Counter()
        _require_searchable(study, cells)
        first = {cell.row_id: cell for cell in reversed(cells)}
        self._groups = {
            key: self._group(cell, says[cell.method.name], storage) for key, cell in reversed(first.items())
        }

    def _group(self, cell: Cell, says: Mapping[str, Any], storage: JournalStorage) -> _Group:
        space = space_of(self._study, cell.method.name, cell.method.given, says)
        settings = self._settings.model_dump(mode="json", include={"seeds", "sampler_seed", "data", "train"})
        facts = json.dumps([dump(space), settings], sort_keys=True)
        name = f"{cell.row_id}-{hashlib.sha256(facts.encode()).hexdigest()[:10]}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            known = {one.study_name: one for one in optuna.get_all_study_summaries(storage, include_best_trial=False)}
            asked = known[name].n_trials if name in known else 0
            seed = self._settings.sampler_seed
            sampler = QMCSampler(
                qmc_type="sobol", scramble=True, seed=seed, independent_sampler=RandomSampler(seed + asked),
                warn_independent_sampling=False,
            )  # fmt: skip
            study = optuna.create_study(
                storage=storage, sampler=sampler, study_name=name, direction="maximize", load_if_exists=True
            )
        return _Group(cell, space, study)

    def next_trials(self, row_ids: Collection[str]) -> list[Cell]:
        """The cells of the next trials, those of each method in turn; empty if every budget is used.

        Args:
            row_ids: rows whose search goes on.
        """
        found: list[tuple[int, Cell]] = []
        for group in (self._groups[row_id] for row_id in self._groups if row_id in row_ids):
            while not self._open(group) and not self._is_over(group):  # some may have records, from a lost journal
                self._ask(group)
                self._tell(group)
            found += [(trial.number, cell) for trial in self._open(group) for cell in self._cells(group, trial)]
        cells = [
            cell for _, cell in sorted(found, key=lambda pair: pair[0])
            if self._result(cell) is None and self._attempts[cell.id] < MOST_ATTEMPTS
        ]  # fmt: skip
        self._attempts.update(cell.id for cell in cells)
        return cells

    def killed(self) -> list[Record]:
        """The records of trials whose worker was killed at every start of this run; their search is not over."""
        cells = [
            cell for group in self._groups.values() for each in self._open(group) for cell in self._cells(group, each)
        ]
        found = [self._latest(cell) for cell in cells if self._attempts[cell.id]]
        return [record for record in found if record is not None and record.status == "killed"]

    def tell(self) -> None:
        """Tell Optuna the results of finished trials."""
        for group in self._groups.values():
            self._tell(group)

    def _tell(self, group: _Group) -> None:
        for trial in group.trials:
            records = self._records(group, trial)
            if trial.state == TrialState.RUNNING and records is not None:
                value = trial_of(settings_of(trial), records).macro_f1
                group.study.tell(trial.number, value, TrialState.FAIL if value is None else TrialState.COMPLETE)

    def _open(self, group: _Group) -> list[FrozenTrial]:
        """The trials within the budget that have no result."""
        within = group.trials[: self._settings.trials]
        return [trial for trial in within if self._records(group, trial) is None]

    def _ask(self, group: _Group) -> None:
        """Ask for the next trials: all at once where none depends on another's result.

        The sampler needs one result before its sequence begins.
        """
        asked = len(group.trials)
        alone = not asked or self._settings.trials is None or self._settings.pruning
        for _ in range(1 if alone else (self._settings.trials or 0) - asked):
            group.study.ask(distributions(group.space))

    def _is_over(self, group: _Group) -> bool:
        """Whether no trial is open and no further one may begin."""
        return not self._open(group) and is_budget_used(self._settings, self._results(group))

    def _results(self, group: _Group) -> list[Trial]:
        """The results of the finished trials within the budget, in order."""
        pairs = [(trial, self._records(group, trial)) for trial in group.trials[: self._settings.trials]]
        return [trial_of(settings_of(trial), records) for trial, records in pairs if records is not None]

    def _records(self, group: _Group, trial: FrozenTrial) -> list[Record] | None:
        """The records of a trial by seed; None if one is missing."""
        found = [self._result(cell) for cell in self._cells(group, trial)]
        records = [record for record in found if record is not None]
        return records if len(records) == len(found) else None

    def _result(self, cell: Cell) -> Record | None:
        """The record of a trial's cell; None if it is missing, or its worker was killed."""
        record = self._latest(cell)
        return None if record is None or record.status == "killed" else record

    def _cells(self, group: _Group, trial: FrozenTrial) -> list[Cell]:
        """The cells of a trial, one for each seed of the search."""
        template, tune = group.cell, self._settings
        where = f"study {self._study.name}: tune"
        data = tune.data | {"evaluate_split": "validation"}
        cell = template.model_copy(update={
            "data": changed(template.data, data, f"{where}.data"),
            "train": changed(template.train, tune.train, f"{where}.train"),
            "searching": True, "repeat": 0, "prune_below": self._prune_below(group, trial),
        })  # fmt: skip
        cell = with_settings(cell, settings_of(trial))
        return [cell.model_copy(update={"seed": seed}) for seed in tune.seeds]

    def _prune_below(self, group: _Group, trial: FrozenTrial) -> tuple[float | None, ...]:
        if not self._settings.pruning:
            return ()
        earlier = [self._records(group, other) or [] for other in group.trials[: trial.number]]
        return prune_below([record for records in earlier for record in records])

    def tuning(self, cell: Cell) -> Tuning | None:
        """The search of a cell's settings; None if they are not searched."""
        group = self._groups.get(cell.row_id)
        if group is None:
            return None
        tune, trials = self._settings, tuple(self._results(group))
        records = [record for trial in group.trials for record in self._records(group, trial) or ()]
        return Tuning(
            trials=trials, best=best_of(trials), space=dump(group.space), seeds=tune.seeds, budget_trials=tune.trials,
            budget_seconds=tune.seconds, floor_macro_f1=floor_of(records),
        )  # fmt: skip

    def tuned(self, cells: Sequence[Cell]) -> list[tuple[Cell, Tuning | None]]:
        """The cells with the best settings, each with its search.

        A cell that is not searched stays as it is; one whose search is not over is left out.
        """
        found: dict[str, tuple[Cell, Tuning | None]] = {}
        known: dict[str, Tuning | None] = {}
        for cell in cells:
            if (group := self._groups.get(cell.row_id)) is not None and not self._is_over(group):
                continue
            if cell.row_id not in known:
                known[cell.row_id] = self.tuning(cell)
            tuning = known[cell.row_id]
            best = None if tuning is None or tuning.best is None else tuning.trials[tuning.best]
            tuned = cell if best is None else with_settings(cell, best.settings)
            found.setdefault(tuned.id, (tuned, tuning))
        return list(found.values())


def settings_of(trial: FrozenTrial) -> dict[str, Any]:
    """The tried values of a trial by option, numbers rounded to ``DIGITS`` significant digits."""
    return {
        name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
        for name, value in trial.params.items()
    }


def _require_searchable(study: Study, cells: Sequence[Cell]) -> None:
    """Check what a search needs of its cells.

    Raises:
        StudyError: they lack it.
    """
    assert study.tune is not None, "the study has a search"
    where = f"study {study.name}: tune"
    if not cells:
        raise StudyError(f"{where}: no method of the study trains a model, so there is nothing to search")
    for cell in cells:
        if cell.data.evaluate_split == "validation":
            raise StudyError(
                f"{where}: the study evaluates on the validation split, which the search uses; set "
                'data.evaluate_split = "test"'
            )
        if cell.model.weights == "random":
            raise StudyError(f"{where}: model {cell.model.name} has random weights, whose F1 means nothing")
        if study.tune.pruning and not (study.tune.train.get("validation_points") or cell.train.validation_points):
            raise StudyError(f"{where}.pruning needs train.validation_points of at least 1")
    rows = {cell.method.name for cell in cells}
    for row in study.tune.spaces:
        if row not in rows:
            raise UnknownNameError(f"method in {where}.spaces", row, rows)
    by_dataset: dict[str, set[str]] = {}
    for cell in cells:
        kept = by_dataset.setdefault(cell.dataset.name, set())
        kept.add(cell.train.keep)
        if len(kept) > 1:
            both = " and ".join(sorted(kept))
            raise StudyError(f"{where}: all methods of {cell.dataset.name} must have the same train.keep, got {both}")
