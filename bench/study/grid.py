"""A study's grid, spelled out as cells."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from bench.errors import PluginError, StudyError, UnknownNameError
from bench.method.registry import MethodSource, Plugin, get
from bench.study.catalog import catalog
from bench.study.cell import Cell
from bench.study.datasets import DatasetSource, known_prompt, profile_dataset, resolve_dataset
from bench.study.models import ModelSource, resolve_model
from bench.study.study import Grid, PromptSettings, Study

EVERY_METHOD = "*"
#: Of a study; more is a slip, and spelling them out would take minutes.
MOST_CELLS = 50_000
ONLY_KEYS = ("dataset", "model", "method", "seed")

Descriptions = Mapping[str, Mapping[str, Any]]
"""Of each method by name: label, kinds and trains; or error, where its file does not import."""


def needed_plugins(study: Study, found: Mapping[str, Plugin]) -> dict[str, Plugin]:
    """The plugins whose description the study's expansion needs.

    Raises:
        UnknownNameError: the study names a method that was not found.
        StudyError: it compares a method that it does not measure.
    """
    named = [row for grid in study.grid for row in (*grid.methods, *grid.options) if row != EVERY_METHOD]
    for row in [*study.methods, *named]:
        get(dict(found), _plugin_name(study, row))  # a misspelt row would be left out without a word
    needed = {name: plugin for name, plugin in found.items() if plugin.origin == "--plugin"}
    _check_comparisons(study, found)
    for grid in study.grid:
        if EVERY_METHOD in grid.methods:
            return dict(found)
        for name in grid.methods:
            plugin = get(dict(found), _plugin_name(study, name))
            needed[plugin.name] = plugin
    return needed


def _check_comparisons(study: Study, found: Mapping[str, Plugin]) -> None:
    """Whether every method that is compared is a row of some grid, be it that it fits none of the grid's models."""
    if not study.comparisons:
        return
    files = {name for name, plugin in found.items() if plugin.origin == "--plugin"}
    known: set[str] = set()
    for grid in study.grid:
        rows = set(grid.methods) - {EVERY_METHOD}
        if EVERY_METHOD in grid.methods:
            rows |= {*found, *study.methods}
        known |= rows | (files - {_plugin_name(study, row) for row in rows})
    for row in (row for pair in study.comparisons for row in pair):
        if row not in known:
            raise StudyError(f"study {study.name}: comparisons: {UnknownNameError('method', row, known)}")


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
    to_plan: bool = False,
    scale: Literal["tiny"] | None = None,
) -> list[Cell]:
    """Every cell, repeats outermost and then seeds, so that a drift of the machine hits all methods alike.

    Args:
        study: what to measure.
        found: the methods there are.
        descriptions: of the plugins that ``needed_plugins`` names.
        data_root: see ``resolve_dataset``.
        base: folder that relative paths of the study start from.
        to_plan: models need no weights then, and a method that is named stays beside a model that it does not support.
        scale: in place of that of every model.

    Raises:
        RequestError: a name, option or path is wrong.
    """
    _check_size(study, found)
    cells: dict[str, Cell] = {}
    known: set[str] = set()
    for grid in study.grid:
        datasets = [resolve_dataset(name, study, data_root, base) for name in grid.datasets]
        known |= {dataset.name for dataset in datasets}
        models = [_at_scale(resolve_model(name, study, base, not to_plan), scale) for name in grid.models]
        for seed in grid.seeds:
            for dataset in datasets:
                for model in models:
                    for row in _rows(study, grid, found, descriptions, model):
                        _require_fit(study, row, descriptions, model, to_plan)
                        texts = texts_for(model, dataset)
                        cell = _cell(study, grid, texts, model, row, found, descriptions, seed)
                        again = [cell.model_copy(update={"repeat": repeat}) for repeat in range(grid.repeats)]
                        cells |= {one.id: one for one in again if one.id not in cells}
    for name in study.prompts:
        if name not in known:
            raise UnknownNameError("dataset in [prompts]", name, known)
    return sorted(cells.values(), key=lambda cell: (cell.repeat, cell.seed))


def _check_size(study: Study, found: Mapping[str, Plugin]) -> None:
    most = 0
    for grid in study.grid:
        rows = len(grid.methods) + (len(found) + len(study.methods) if EVERY_METHOD in grid.methods else 0)
        most += len(grid.datasets) * len(grid.models) * rows * len(grid.seeds) * grid.repeats
    if most > MOST_CELLS:
        raise StudyError(f"study {study.name}: grid must have at most {MOST_CELLS} cells, got up to {most}; split it")


def _at_scale(model: ModelSource, scale: Literal["tiny"] | None) -> ModelSource:
    if scale is None or model.scale == scale:
        return model
    if model.weights != "random":
        raise StudyError(
            f"--scale {scale} needs models of random weights, got {model.name} with pretrained ones; define it in the "
            f'study: [models.NAME] base = "{model.name}", weights = "random"'
        )
    return model.model_copy(update={"scale": scale, "fingerprint": f"{model.fingerprint}:{scale}"})


def texts_for(model: ModelSource, dataset: DatasetSource) -> DatasetSource:
    """Of random weights the cost alone is measured: texts of the recorded lengths do where the real ones are not."""
    known = catalog("datasets").get(dataset.name, {})
    same = (dataset.hub_id, dataset.hub_config) == (known.get("hub_id"), known.get("hub_config"))
    if model.weights == "random" and dataset.kind == "hub" and same:
        return profile_dataset(dataset.name)
    return dataset


def prompt_for(study: Study, grid: Grid, dataset: DatasetSource, model: ModelSource) -> PromptSettings | None:
    """How a causal model is asked about a dataset; None for an encoder."""
    return study.prompt_settings(grid, dataset.name, known_prompt(dataset)) if model.kind == "causal" else None


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


def _require_fit(study: Study, row: str, descriptions: Descriptions, model: ModelSource, to_plan: bool) -> None:
    reason = misfit(row, descriptions[_plugin_name(study, row)]["kinds"], model)
    if reason is not None and not to_plan:
        raise StudyError(reason)


def misfit(row: str, kinds: Sequence[str], model: ModelSource) -> str | None:
    """Why a method that supports these kinds cannot adapt a model, as far as the kinds tell; None if it can."""
    if model.kind in kinds:
        return None
    why = f"method {row} supports {' and '.join(kinds) or 'no'} models; {model.name} is of kind {model.kind}"
    if model.kind != "causal" or "encoder" not in kinds:
        return why
    quantised = f", its weights in {model.bits} bits" if model.bits in (4, 8) else ""
    return (
        f'{why}{quantised}: an entry of [models] with kind = "encoder" and without bits gives it a classification head '
        "and whole weights"
    )


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
    train = study.train_settings(grid, entry, f"study {study.name}: train of {row}")
    if train.class_weights != "none" and model.kind == "causal" and descriptions[plugin.name].get("trains", True):
        raise StudyError(
            f'study {study.name}: train.class_weights = "{train.class_weights}" is for encoders, got it for {row} on '
            f"{model.name}, a causal model, which is trained on tokens; set it in the train settings of encoders' grids"
        )
    return Cell(
        study=study.name,
        dataset=dataset,
        model=model,
        method=MethodSource(
            name=row,
            label=(entry.label if entry else None) or descriptions[plugin.name]["label"],
            plugin=plugin.name,
            path=str(plugin.path),
            sha256=plugin.sha256,
            given={**(entry.options if entry else {}), **grid.options.get(row, {})},
        ),
        seed=seed,
        device=study.device,
        data=study.data_settings(grid, dataset.name),
        train=train,
        prompt=prompt_for(study, grid, dataset, model),
        limits=study.limits,
    )


def parse_only(filters: Iterable[str]) -> dict[str, frozenset[str]]:
    """``["model=this,that", "seed=0"]`` as allowed values by key.

    Raises:
        StudyError: not of the form key=value[,value].
        UnknownNameError: an unknown key.
    """
    allowed: dict[str, frozenset[str]] = {}
    for text in filters:
        key, equals, values = text.partition("=")
        if not equals or not values:
            raise StudyError(f"--only must be KEY=VALUE[,VALUE], got {text!r}")
        if key not in ONLY_KEYS:
            raise UnknownNameError("key of --only", key, ONLY_KEYS)
        allowed[key] = allowed.get(key, frozenset()) | frozenset(values.split(","))
    return allowed


def filtered(cells: Sequence[Cell], only: Mapping[str, frozenset[str]]) -> list[Cell]:
    """The cells that match, see ``parse_only``.

    Raises:
        UnknownNameError: no cell has one of the values.
    """

    def facts(cell: Cell) -> dict[str, str]:
        return {
            "dataset": cell.dataset.name, "model": cell.model.name, "method": cell.method.name, "seed": str(cell.seed)
        }  # fmt: skip

    for key, values in only.items():
        known = {facts(cell)[key] for cell in cells}
        for value in sorted(values - known):
            raise UnknownNameError(f"{key} in --only", value, known)
    return [cell for cell in cells if all(facts(cell)[key] in values for key, values in only.items())]
