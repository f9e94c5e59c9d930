"""The space of a method's search: what the study says over what the method declares."""

from collections.abc import Mapping
from typing import Any, TypeVar

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import ValidationError

from bench.errors import StudyError, UnknownNameError
from bench.method.search_space import Range, Searched, SearchSpace, declared, parse
from bench.schema import explain
from bench.study.cell import Cell
from bench.study.settings import DataSettings, TrainSettings
from bench.study.study import Study

#: Start of the names of training settings.
TRAIN = "train."
LEARNING_RATE = "learning_rate"
SomeSettings = TypeVar("SomeSettings", DataSettings, TrainSettings)


def space_of(study: Study, row: str, given: Mapping[str, Any], says: Mapping[str, Any]) -> SearchSpace:
    """The values that the trials of one row may have.

    An option that the study gives for the row is not searched, nor a setting of training that it gives anywhere, unless
    the study names it in the space.

    Args:
        study: study with a search.
        row: name of the method's row.
        given: options that the study gives.
        says: the method's own space and the names of its options: ``{"space": ..., "options": [...]}``.

    Raises:
        StudyError: the space has no learning rate.
        UnknownNameError: the study names an option that the method does not have.
    """
    assert study.tune is not None, "the study has a search"
    where = f"study {study.name}: tune.spaces.{row}"
    fixed = {*given, *(f"{TRAIN}{name}" for name in _given_settings(study, row))}
    settings = {f"{TRAIN}{name}": searched for name, searched in declared(TrainSettings).items()}
    own = {name: searched for name, searched in (parse(says["space"]) | settings).items() if name not in fixed}
    changes = study.tune.spaces.get(row, {})
    known = [*says["options"], *(f"{TRAIN}{name}" for name in TrainSettings.model_fields)]
    for name in changes:
        if name not in known:
            raise UnknownNameError(f"option in {where}", name, known)
    space = {**own, **changes}
    if LEARNING_RATE not in space:
        fix = "; the study gives it a value, remove that" if LEARNING_RATE in fixed else ""
        raise StudyError(f"{where} must have a {LEARNING_RATE}, got {', '.join(space) or 'nothing'}{fix}")
    return space


def _given_settings(study: Study, row: str) -> set[str]:
    """Settings of training that the study gives: for all, for a grid, or for the row."""
    entry = study.methods.get(row)
    of_grids = (name for grid in study.grid for name in grid.train)
    return {*study.train.model_fields_set, *of_grids, *(entry.train if entry else ())}


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """The same space for Optuna."""
    return {name: _distribution(searched) for name, searched in space.items()}


def _distribution(searched: Searched) -> BaseDistribution:
    if not isinstance(searched, Range):
        return CategoricalDistribution(searched)
    if searched.is_whole:
        return IntDistribution(int(searched.low), int(searched.high), log=searched.log)
    return FloatDistribution(searched.low, searched.high, log=searched.log)


def with_settings(cell: Cell, settings: Mapping[str, Any]) -> Cell:
    """The cell with the values of a trial.

    Raises:
        StudyError: a value breaks the rule of its setting.
    """
    options = {name: value for name, value in settings.items() if not name.startswith(TRAIN)}
    of_train = {name.removeprefix(TRAIN): value for name, value in settings.items() if name.startswith(TRAIN)}
    train = changed(cell.train, of_train, f"study {cell.study}: tune.spaces.{cell.method.name}: train")
    method = cell.method.model_copy(update={"given": {**cell.method.given, **options}, "options": {}})
    return cell.model_copy(update={"train": train, "method": method})


def changed(settings: SomeSettings, changes: Mapping[str, Any], where: str) -> SomeSettings:
    """The settings with changes.

    Raises:
        StudyError: a change names an unknown setting or breaks its rule.
    """
    schema = type(settings)
    try:
        return schema.model_validate(settings.model_dump() | dict(changes), strict=True)
    except ValidationError as error:
        raise StudyError(explain(error, where, schema)) from None
