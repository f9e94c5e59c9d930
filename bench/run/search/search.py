"""The search of a study: which trials come next, and the best settings from the records of the trials."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count
from typing import Any

from optuna.storages import JournalStorage

from bench.errors import StudyError, UnknownNameError
from bench.method.search_space import dump
from bench.record.record import Record
from bench.record.tuning import Trial, Tuning
from bench.run.search.group import Group
from bench.run.search.outcome import best_of, ended_by_itself, floor_of, is_budget_used, prune_below, trial_of
from bench.run.search.space import changed, space_of, with_settings
from bench.study.cell import Cell
from bench.study.study import Study

#: Starts of a trial in one run, because its worker may be killed for a reason that lies outside of it.
MOST_ATTEMPTS = 3

Latest = Callable[[Cell], Record | None]
"""The latest record of a cell; None if it has none."""


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

    def _group(self, cell: Cell, says: Mapping[str, Any], storage: JournalStorage) -> Group:
        space = space_of(self._study, cell.method.name, cell.method.given, says)
        settings = self._settings.model_dump(mode="json", include={"seeds", "sampler_seed", "data", "train"})
        facts = json.dumps([dump(space), settings], sort_keys=True)
        name = f"{cell.row_id}-{hashlib.sha256(facts.encode()).hexdigest()[:10]}"
        return Group(cell, space, name, self._settings.sampler_seed, storage)

    def next_trials(self, row_ids: Collection[str]) -> list[Cell]:
        """The cells of the next trials, those of each method in turn; empty if none can begin.

        Args:
            row_ids: rows whose search goes on.
        """
        groups = [group for row_id, group in self._groups.items() if row_id in row_ids]
        numbered = [(number, group) for group in groups for number in self._next_numbers(group)]
        cells = [
            cell for number, group in sorted(numbered, key=lambda pair: pair[0]) for cell in self._cells(group, number)
            if self._result(cell) is None and self._attempts[cell.id] < MOST_ATTEMPTS
        ]  # fmt: skip
        self._attempts.update(cell.id for cell in cells)
        return cells

    def killed(self) -> list[Record]:
        """The records of trials whose worker was killed at every start of this run; their search is not over."""
        cells = [
            cell for group in self._groups.values() for number in self._next_numbers(group)
            for cell in self._cells(group, number) if self._attempts[cell.id]
        ]  # fmt: skip
        return [record for cell in cells if self._result(cell) is None and (record := self._latest(cell)) is not None]

    def tell(self) -> None:
        """Write the results of finished trials to the journal."""
        for group in self._groups.values():
            group.note(self._results(group))

    def _next_numbers(self, group: Group) -> list[int]:
        """The numbers of the trials that come next; empty if the budget is used.

        A number of trials without pruning is asked for at once, because no trial depends on another's result.
        """
        if self._settings.trials is not None and not self._settings.pruning:
            return [number for number in range(self._settings.trials) if self._records(group, number) is None]
        finished = self._results(group)
        return [] if is_budget_used(self._settings, list(finished.values())) else [len(finished)]

    def _results(self, group: Group) -> dict[int, Trial]:
        """The results of the finished trials within the budget, by number."""
        found: dict[int, Trial] = {}
        in_order = self._settings.trials is None or self._settings.pruning
        for number in count() if self._settings.trials is None else range(self._settings.trials):
            records = self._records(group, number)
            if in_order and (records is None or is_budget_used(self._settings, list(found.values()))):
                break
            if records is not None:
                found[number] = trial_of(group.settings(number), records)
        return found

    def _records(self, group: Group, number: int) -> list[Record] | None:
        """The records of a trial by seed; None if one is missing."""
        found = [self._result(cell) for cell in self._cells(group, number)]
        records = [record for record in found if record is not None]
        return records if len(records) == len(found) else None

    def _result(self, cell: Cell) -> Record | None:
        """The record of a trial's cell; None if it is missing, or its worker was killed."""
        record = self._latest(cell)
        return record if record is not None and ended_by_itself(record) else None

    def _cells(self, group: Group, number: int) -> list[Cell]:
        """The cells of a trial, one for each seed of the search."""
        template, tune = group.cell, self._settings
        where = f"study {self._study.name}: tune"
        data = tune.data | {"evaluate_split": "validation"}
        cell = template.model_copy(update={
            "data": changed(template.data, data, f"{where}.data"),
            "train": changed(template.train, tune.train, f"{where}.train"),
            "searching": True, "repeat": 0, "prune_below": self._prune_below(group, number),
        })  # fmt: skip
        cell = with_settings(cell, group.settings(number))
        return [cell.model_copy(update={"seed": seed}) for seed in tune.seeds]

    def _prune_below(self, group: Group, number: int) -> tuple[float | None, ...]:
        if not self._settings.pruning:
            return ()
        earlier = [self._records(group, other) or [] for other in range(number)]
        return prune_below([record for records in earlier for record in records])

    def _tuning(self, group: Group) -> Tuning:
        tune, found = self._settings, self._results(group)
        records = [record for number in found for record in self._records(group, number) or ()]
        trials = tuple(found.values())
        return Tuning(
            trials=trials, best=best_of(trials), space=dump(group.space), seeds=tune.seeds, budget_trials=tune.trials,
            budget_seconds=tune.seconds, floor_macro_f1=floor_of(records),
        )  # fmt: skip

    def tuned(self, cells: Sequence[Cell]) -> list[tuple[Cell, Tuning | None]]:
        """The cells with the best settings, each with its search.

        A cell that is not searched stays as it is; one whose search is not over is left out.
        """
        over = {key: group for key, group in self._groups.items() if not self._next_numbers(group)}
        tunings = {key: self._tuning(group) for key, group in over.items()}
        found: dict[str, tuple[Cell, Tuning | None]] = {}
        for cell in cells:
            if cell.row_id in self._groups and cell.row_id not in over:
                continue
            tuning = tunings.get(cell.row_id)
            best = None if tuning is None or tuning.best is None else tuning.trials[tuning.best]
            tuned = cell if best is None else with_settings(cell, best.settings)
            found.setdefault(tuned.id, (tuned, tuning))
        return list(found.values())


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
