"""The datasets and models that a study names, located."""

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
    """Where data and weights lie.

    Attributes:
        datasets: by the name that the study's grids give.
        models: likewise.
    """

    datasets: Mapping[str, DatasetSource]
    models: Mapping[str, ModelSource]


def locate(
    study: Study, data_root: Path | None = None, scale: Literal["tiny"] | None = None, *, weights_needed: bool = True
) -> Sources:
    """Locate every dataset and model that a study names, each once: files of data are hashed for it.

    Args:
        study: what to measure.
        data_root: see ``resolve_dataset``.
        scale: in place of that of every model.
        weights_needed: see ``resolve_model``.

    Raises:
        RequestError: a name, folder or package is missing, or a model of pretrained weights cannot be scaled.
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
