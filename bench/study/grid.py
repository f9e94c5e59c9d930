"""Expand a study's grids to cells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import PluginError, StudyError, UnknownNameError
from bench.method.registry import MethodSource, Plugin, get
from bench.study.cell import Cell
from bench.study.datasets import DatasetSource, known_prompt
from bench.study.models import NO_MODEL, ModelSource
from bench.study.settings import DataSettings, PromptSettings, TrainSettings
from bench.study.sources import Sources, texts_for
from bench.study.study import Grid, Study

EVERY_METHOD = "*"
#: Maximum number of cells of a study; more is a mistake, and expanding them would take minutes.
MOST_CELLS = 50_000

Descriptions = Mapping[str, Mapping[str, Any]]
"""Results of ``registry.describe`` by method name."""


def needed_plugins(study: Study, found: Mapping[str, Plugin]) -> dict[str, Plugin]:
    """The plugins whose descriptions ``expand`` needs.

    Raises:
        UnknownNameError: the study names an unknown method.
        StudyError: it compares a method that it does not measure.
    """
    named = [row for grid in study.grid for row in (*grid.methods, *grid.options) if row != EVERY_METHOD]
    for row in [*study.methods, *named]:
        get(dict(found), _plugin_name(study, row))  # otherwise a misspelt row would be silently left out
    needed = {name: plugin for name, plugin in found.items() if plugin.origin == "--plugin"}
    if study.baselines:
        needed |= {name: plugin for name, plugin in found.items() if plugin.is_baseline}
    _check_comparisons(study, found)
    for grid in study.grid:
        if EVERY_METHOD in grid.methods:
            return dict(found)
        for name in grid.methods:
            plugin = get(dict(found), _plugin_name(study, name))
            needed[plugin.name] = plugin
    return needed


def _check_comparisons(study: Study, found: Mapping[str, Plugin]) -> None:
    """Check that every compared method is a row of some grid, even if it fits none of the grid's models."""
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


def expand(
    study: Study, found: Mapping[str, Plugin], descriptions: Descriptions, sources: Sources, *, to_plan: bool = False
) -> list[Cell]:
    """All cells, ordered by repeat and then by seed, so that a drift of the machine affects all methods equally.

    Args:
        study: study to expand.
        found: all methods by name.
        descriptions: descriptions of the plugins from ``needed_plugins``.
        sources: datasets and models of the study, see ``locate``.
        to_plan: whether to keep a named method with a model that it does not support.

    Raises:
        RequestError: a name or an option is wrong, or there are too many cells.
    """
    _check_size(study, found)
    cells: dict[str, Cell] = {}
    for grid in study.grid:
        for cell in _Expansion(study, grid, found, descriptions, sources, to_plan).cells():
            cells.setdefault(cell.id, cell)
    known = {dataset.name for dataset in sources.datasets.values()}
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


@dataclass(frozen=True, slots=True)
class _Expansion:
    """The expansion of one grid, see ``expand``."""

    study: Study
    grid: Grid
    found: Mapping[str, Plugin]
    descriptions: Descriptions
    sources: Sources
    to_plan: bool

    def cells(self) -> Iterator[Cell]:
        datasets = [self.sources.datasets[name] for name in self.grid.datasets]
        models = [self.sources.models[name] for name in self.grid.models]
        for seed in self.grid.seeds:
            for dataset in datasets:
                yield from self._baselines(dataset, models, seed)
                for model in models:
                    for row in self._rows(model):
                        cell = self._cell(texts_for(model, dataset), model, row, seed)
                        for repeat in range(self.grid.repeats):
                            yield cell.model_copy(update={"repeat": repeat})

    def _baselines(self, dataset: DatasetSource, models: Sequence[ModelSource], seed: int) -> Iterator[Cell]:
        """The baselines on the texts that the models read; models with random weights have no F1 to compare."""
        if not self.study.baselines:
            return
        rows = [name for name, plugin in self.found.items() if plugin.is_baseline and self._fits(name, NO_MODEL)]
        if all(model.weights == "random" for model in models):
            return
        for row in rows:
            yield self._cell(dataset, NO_MODEL, row, seed)

    def _rows(self, model: ModelSource) -> list[str]:
        """The method rows of one model: named ones, those of ``*``, and those of ``--plugin``."""
        rows: list[str] = []
        for name in self.grid.methods:
            if name != EVERY_METHOD:
                self._require_fit(name, model)
                rows.append(name)
                continue
            variants = [row for row, entry in self.study.methods.items() if entry.plugin is not None]
            rows += [row for row in (*self.found, *variants) if self._fits(row, model)]
        used = {_plugin_name(self.study, row) for row in rows}
        extra = [n for n, plugin in self.found.items() if plugin.origin == "--plugin" and n not in used]
        for name in extra:
            self._require_import(name)
        rows += [name for name in extra if self._fits(name, model)]
        return list(dict.fromkeys(rows))

    def _description(self, row: str) -> Mapping[str, Any]:
        return self.descriptions[_plugin_name(self.study, row)]

    def _fits(self, row: str, model: ModelSource) -> bool:
        return model.kind in self._description(row).get("kinds", ())

    def _require_import(self, row: str) -> None:
        if "error" in (description := self._description(row)):
            raise PluginError(description["error"])

    def _require_fit(self, row: str, model: ModelSource) -> None:
        self._require_import(row)
        reason = misfit(row, self._description(row)["kinds"], model)
        if reason is not None and not self.to_plan:
            raise StudyError(reason)

    def _cell(self, dataset: DatasetSource, model: ModelSource, row: str, seed: int) -> Cell:
        study, grid, entry = self.study, self.grid, self.study.methods.get(row)
        train = study.train_settings(grid, entry, f"study {study.name}: train of {row}")
        trains = self._description(row).get("trains", True)
        if train.class_weights != "none" and model.kind == "causal" and trains:
            raise StudyError(
                f'study {study.name}: train.class_weights = "{train.class_weights}" is for encoders, got it for {row} '
                f"on {model.name}, a causal model, which is trained on tokens; set it in the train settings of "
                "encoders' grids"
            )
        data = study.data_settings(grid, dataset.name)
        if model.kind == "none":
            data, train, seed = _without_model(data, train, seed)
        plugin = self.found[_plugin_name(study, row)]
        method = MethodSource(
            name=row, label=(entry.label if entry else None) or self._description(row)["label"], plugin=plugin.name,
            path=str(plugin.path), sha256=plugin.sha256,
            given={**(entry.options if entry else {}), **grid.options.get(row, {})},
        )  # fmt: skip
        return Cell(
            study=study.name, dataset=dataset, model=model, method=method, seed=seed,
            device="cpu" if model.kind == "none" else study.device, data=data, train=train,
            prompt=prompt_for(study, grid, dataset, model), limits=study.limits,
        )  # fmt: skip


def _plugin_name(study: Study, row: str) -> str:
    entry = study.methods.get(row)
    return row if entry is None or entry.plugin is None else entry.plugin


def misfit(row: str, kinds: Sequence[str], model: ModelSource) -> str | None:
    """Why a method that supports these kinds cannot adapt a model; None if the kind is supported."""
    if model.kind in kinds:
        return None
    if "none" in kinds:
        return f'method {row} has no model to adapt; put it in a grid with models = ["none"]'
    if model.kind == "none":
        return f"method {row} adapts a model, got none; name an encoder or a causal model in its grid"
    why = f"method {row} supports {' and '.join(kinds) or 'no'} models; {model.name} is of kind {model.kind}"
    if model.kind != "causal" or "encoder" not in kinds:
        return why
    quantised = f", its weights in {model.bits} bits" if model.bits in (4, 8) else ""
    return (
        f'{why}{quantised}; an entry in [models] with kind = "encoder" and without bits gives it a classification head '
        "and unquantised weights"
    )


def _without_model(data: DataSettings, train: TrainSettings, seed: int) -> tuple[DataSettings, TrainSettings, int]:
    """Only what matters without a model, so that grids that differ in nothing else share a cell.

    The result depends on the texts alone, so seeds that read the same texts are one cell.
    """
    kept = {"inference_batch_size": train.inference_batch_size, "keep_artifact": train.keep_artifact}
    settings = data.model_copy(update={"max_length": DataSettings.model_fields["max_length"].default})
    return settings, TrainSettings().model_copy(update=kept), seed if data.resample_splits else 0


def prompt_for(study: Study, grid: Grid, dataset: DatasetSource, model: ModelSource) -> PromptSettings | None:
    """The prompt settings of a causal model for a dataset; None for an encoder."""
    return study.prompt_settings(grid, dataset.name, known_prompt(dataset)) if model.kind == "causal" else None
