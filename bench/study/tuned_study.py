"""The best settings of a search, as the content of a study file."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from bench.study.cell import Cell
from bench.study.study import Study


def tuned_study(study: Study, cells: Sequence[Cell]) -> dict[str, Any]:
    """The content of a study file that measures these cells without a search.

    Args:
        study: study with a search.
        cells: its cells with the best settings, in its order; those without a model follow from ``baselines``.
    """
    content = study.model_dump(mode="json", exclude_unset=True, exclude_none=True, exclude={"tune", "grid", "methods"})
    rows: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.model.kind != "none":
            rows.setdefault(cell.row_id, []).append(cell)
    methods = {
        name: entry.model_dump(mode="json", exclude_unset=True, exclude_none=True, exclude={"train"})
        for name, entry in study.methods.items()
    }
    found: dict[str, Any] = {"name": study.name, **content}
    if methods:
        found["methods"] = methods
    found["grid"] = [_grid(study, own) for own in rows.values()]
    return found


def _grid(study: Study, cells: Sequence[Cell]) -> dict[str, Any]:
    """A grid of the cells of one row, with all settings that differ from those of the study."""
    first = cells[0]
    grid: dict[str, Any] = {
        "datasets": [first.dataset.name], "models": [first.model.name], "methods": [first.method.name],
        "seeds": list(dict.fromkeys(cell.seed for cell in cells)), "repeats": 1 + max(cell.repeat for cell in cells),
    }  # fmt: skip
    parts: dict[str, Mapping[str, Any]] = {
        "data": _changes(first.data, study.data), "train": _changes(first.train, study.train),
        "prompt": {} if first.prompt is None else first.prompt.model_dump(mode="json", exclude_none=True),
        "options": {first.method.name: first.method.given} if first.method.given else {},
    }  # fmt: skip
    return grid | {name: dict(part) for name, part in parts.items() if part}


def _changes(settings: BaseModel, of_study: BaseModel) -> dict[str, Any]:
    """The settings that differ; TOML has no null, and no setting of a grid becomes one by a search."""
    before = of_study.model_dump(mode="json")
    return {
        name: value
        for name, value in settings.model_dump(mode="json").items()
        if value != before[name] and value is not None
    }
