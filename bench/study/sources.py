"""Locate the datasets and models of a study."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import StudyError
from bench.study.catalog import catalog
from bench.study.datasets import DatasetSource, profile_dataset, resolve_dataset
from bench.study.models import ModelSource, resolve_model
from bench.study.study import Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Located datasets and models of a study.

    Attributes:
        datasets: datasets by their name in the study's grids.
        models: models by their name in the study's grids.
    """

    datasets: Mapping[str, DatasetSource]
    models: Mapping[str, ModelSource]


def locate(
    study: Study, data_root: Path | None = None, scale: Literal["tiny"] | None = None, *, weights_needed: bool = True
) -> Sources:
    """Locate all datasets and models of a study, each once, because data files are hashed.

    Args:
        study: study with the names.
        data_root: see ``resolve_dataset``.
        scale: scale of all models, over their own.
        weights_needed: see ``resolve_model``.

    Raises:
        RequestError: a name, folder or package is missing, or a model with pretrained weights cannot be scaled.
    """
    datasets: dict[str, DatasetSource] = {}
    models: dict[str, ModelSource] = {}
    for grid in study.grid:
        for name in grid.datasets:
            if name not in datasets:
                datasets[name] = resolve_dataset(name, study, data_root)
        for name in grid.models:
            if name not in models:
                models[name] = _at_scale(resolve_model(name, study, weights_needed), scale)
    return Sources(datasets=datasets, models=models)


def _at_scale(model: ModelSource, scale: Literal["tiny"] | None) -> ModelSource:
    if scale is None or model.scale == scale:
        return model
    if model.weights != "random":
        raise StudyError(
            f"--scale {scale} needs models with random weights, got {model.name} with pretrained ones; define it in "
            f'the study: [models.NAME] base = "{model.name}", weights = "random"'
        )
    return model.model_copy(update={"scale": scale, "fingerprint": f"{model.fingerprint}:{scale}"})


def texts_for(model: ModelSource, dataset: DatasetSource) -> DatasetSource:
    """The dataset, or filler texts of its lengths for a hub dataset with random weights, which measure only cost."""
    known = catalog("datasets").get(dataset.name, {})
    same = (dataset.hub_id, dataset.hub_config) == (known.get("hub_id"), known.get("hub_config"))
    if model.weights == "random" and dataset.kind == "hub" and same:
        return profile_dataset(dataset.name)
    return dataset
