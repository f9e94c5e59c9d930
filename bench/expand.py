"""A study's grid, spelled out as cells."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.cell import Cell, MethodSource
from bench.errors import PluginError, StudyError
from bench.registry import Plugin, get
from bench.sources import DatasetSource, ModelSource, resolve_dataset, resolve_model
from bench.study import DataSettings, Grid, Study

EVERY_METHOD = "*"

Descriptions = Mapping[str, Mapping[str, Any]]
"""Of each method by name: label, kinds and trains; or error, where its file does not import."""


def needed_plugins(study: Study, found: Mapping[str, Plugin]) -> dict[str, Plugin]:
    """The plugins whose description the study's expansion needs.

    Raises:
        UnknownNameError: the study names a method that was not found.
    """
    named = [row for grid in study.grid for row in (*grid.methods, *grid.options) if row != EVERY_METHOD]
    for row in [*study.methods, *named]:
        get(dict(found), _plugin_name(study, row))  # a misspelt row would be left out without a word
    needed = {name: plugin for name, plugin in found.items() if plugin.origin == "--plugin"}
    for grid in study.grid:
        if EVERY_METHOD in grid.methods:
            return dict(found)
        for name in grid.methods:
            plugin = get(dict(found), _plugin_name(study, name))
            needed[plugin.name] = plugin
    return needed


def check_sources(study: Study, data_root: Path | None, base: Path) -> None:
    """Locate every dataset and model that the study names, before anything slow.

    Raises:
        RequestError: a name, folder or package is missing.
    """
    for grid in study.grid:
        for name in grid.datasets:
            resolve_dataset(name, study, data_root, base)
        for name in grid.models:
            resolve_model(name, study, base)


def expand(
    study: Study,
    found: Mapping[str, Plugin],
    descriptions: Descriptions,
    data_root: Path | None,
    base: Path,
) -> list[Cell]:
    """Every cell, seeds outermost, so that a drift of the machine hits all methods alike.

    Args:
        study: what to measure.
        found: the methods there are.
        descriptions: of the plugins that ``needed_plugins`` names.
        data_root: see ``resolve_dataset``.
        base: folder that relative paths of the study start from.

    Raises:
        RequestError: a name, option or path is wrong.
    """
    cells: dict[str, Cell] = {}
    for grid in study.grid:
        datasets = [resolve_dataset(name, study, data_root, base) for name in grid.datasets]
        models = [resolve_model(name, study, base) for name in grid.models]
        for seed in grid.seeds:
            for dataset in datasets:
                for model in models:
                    for row in _rows(study, grid, found, descriptions, model):
                        cell = _cell(study, grid, dataset, model, row, found, descriptions, seed)
                        cells.setdefault(cell.id, cell)
    return sorted(cells.values(), key=lambda cell: cell.seed)


def _plugin_name(study: Study, row: str) -> str:
    entry = study.methods.get(row)
    return row if entry is None or entry.plugin is None else entry.plugin


def _rows(
    study: Study, grid: Grid, found: Mapping[str, Plugin], descriptions: Descriptions, model: ModelSource
) -> list[str]:
    """The method rows of one model: those named, those that ``*`` stands for, and those of ``--plugin``."""
    rows: list[str] = []
    for name in grid.methods:
        if name != EVERY_METHOD:
            _require(study, name, descriptions)
            rows.append(name)
            continue
        variants = [row for row in study.methods if study.methods[row].plugin is not None]
        rows += [row for row in (*found, *variants) if _fits(descriptions[_plugin_name(study, row)], model)]
    used = {_plugin_name(study, row) for row in rows}
    extra = [n for n, plugin in found.items() if plugin.origin == "--plugin" and n not in used]
    for name in extra:
        _require(study, name, descriptions)
    rows += [name for name in extra if _fits(descriptions[name], model)]
    return list(dict.fromkeys(rows))


def _require(study: Study, row: str, descriptions: Descriptions) -> None:
    description = descriptions[_plugin_name(study, row)]
    if "error" in description:
        raise PluginError(description["error"])


def _fits(description: Mapping[str, Any], model: ModelSource) -> bool:
    return model.kind in description.get("kinds", ())


def _cell(
    study: Study,
    grid: Grid,
    dataset: DatasetSource,
    model: ModelSource,
    row: str,
    found: Mapping[str, Plugin],
    descriptions: Descriptions,
    seed: int,
) -> Cell:
    entry = study.methods.get(row)
    plugin = found[_plugin_name(study, row)]
    description = descriptions[plugin.name]
    if not _fits(description, model):
        raise StudyError(
            f"method {row} supports {' and '.join(description['kinds']) or 'no'} models; "
            f"{model.name} is of kind {model.kind}"
        )
    return Cell(
        study=study.name,
        dataset=dataset,
        model=model,
        method=MethodSource(
            name=row,
            label=(entry.label if entry else None) or description["label"],
            plugin=plugin.name,
            path=str(plugin.path),
            sha256=plugin.sha256,
            given={**(entry.options if entry else {}), **grid.options.get(row, {})},
        ),
        seed=seed,
        device=study.device,
        data=_data_settings(study, dataset),
        train=study.train_settings(grid, entry, f"study {study.name}: train of {row}"),
        limits=study.limits,
    )


def _data_settings(study: Study, dataset: DatasetSource) -> DataSettings:
    entry = study.datasets.get(dataset.name)
    if entry is None or entry.max_length is None:
        return study.data
    return study.data.model_copy(update={"max_length": entry.max_length})
