"""The cells that a user asks to run or to plan."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from bench.errors import StudyError, UnknownNameError
from bench.study.cell import Cell
from bench.study.study import Study

ONLY_KEYS = ("dataset", "model", "method", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A study with the filters and options of the command line.

    Attributes:
        study: study to run or to plan.
        data_root: see ``resolve_dataset``.
        plugin_files: files given with ``--plugin``.
        only: allowed values by key, see ``parse_only``; other cells are left out.
        scale: scale of all models, over their own.
    """

    study: Study
    data_root: Path | None = None
    plugin_files: Sequence[Path] = ()
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    scale: Literal["tiny"] | None = None

    @property
    def without_baselines(self) -> "Request":
        """The same request without the baselines that every study measures."""
        return replace(self, study=self.study.model_copy(update={"baselines": False}))


def parse_only(filters: Iterable[str]) -> dict[str, frozenset[str]]:
    """``["model=this,that", "seed=0"]`` as allowed values by key.

    Raises:
        StudyError: a filter is not of the form key=value[,value].
        UnknownNameError: a key is unknown.
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
    """The cells that match the filters, see ``parse_only``.

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
