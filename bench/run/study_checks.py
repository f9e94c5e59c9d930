"""The cells of a study, checked by workers before anything is measured, because the parent never imports torch."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.errors import PluginError, RequestError, StudyError
from bench.method import registry
from bench.run.watcher import CheckWatcher
from bench.study.cell import Cell
from bench.study.grid import EVERY_METHOD, expand
from bench.study.request import Request
from bench.study.sources import Sources


class StudyChecks:
    """Expands a study and has its cells checked."""

    def __init__(
        self, request: Request, found: dict[str, registry.Plugin], needed: dict[str, registry.Plugin],
        ask: Callable[[str, Any], Any], watcher: CheckWatcher,
    ) -> None:  # fmt: skip
        """Store the collaborators.

        Args:
            request: the user's request.
            found: all methods by name.
            needed: methods of the study by name, see ``needed_plugins``.
            ask: function that has a worker answer a request, given its entry point.
            watcher: receiver of progress and warnings.
        """
        self._request, self._found, self._needed = request, found, needed
        self._ask, self._watcher = ask, watcher

    def descriptions(self, known: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """The description of each needed plugin; a plugin is imported only if its file is new or changed.

        Args:
            known: methods of an earlier run, as in its run.json.

        Raises:
            PluginError: a plugin of the command line does not import.
        """
        fresh = {
            name: dict(known[name]["says"]) for name, plugin in self._needed.items() if _describes(known, name, plugin)
        }
        unknown = [plugin for name, plugin in self._needed.items() if name not in fresh]
        if unknown:
            self._watcher.checking("methods")
            request = [asdict(plugin) | {"path": str(plugin.path)} for plugin in unknown]
            fresh |= self._ask("bench.run.worker.preflight:describe_methods", request)
        named = {name for grid in self._request.study.grid for name in grid.methods} - {EVERY_METHOD}
        for name, says in fresh.items():
            if "error" in says and name not in named:
                if self._needed[name].origin == "--plugin":
                    raise PluginError(says["error"])
                self._watcher.warned(f"skipped: {says['error']}")
        return fresh

    def cells(self, descriptions: Mapping[str, Mapping[str, Any]], sources: Sources) -> list[Cell]:
        """All cells of the study.

        Raises:
            StudyError: there are none.
        """
        cells = expand(self._request.study, self._found, descriptions, sources)
        if not cells:
            raise StudyError(f"study {self._request.study.name} has no cells: no method fits its models")
        return cells

    def search_spaces(self, cells: Sequence[Cell]) -> dict[str, dict[str, Any]]:
        """The search space of each row of the cells, and the names of its options.

        Raises:
            RequestError: all problems found, one per line.
        """
        self._watcher.checking("search spaces")
        rows = {cell.method.name: cell.method.model_dump() for cell in cells}
        answers: dict[str, dict[str, Any]] = self._ask("bench.run.worker.preflight:search_spaces", rows)
        problems = [answer["error"] for answer in answers.values() if "error" in answer]
        if problems:
            raise RequestError("\n".join(f"study {self._request.study.name}: {problem}" for problem in problems))
        return answers

    def filled(self, pending: Sequence[Cell]) -> list[Cell]:
        """Check everything that can be checked in advance; returns the cells with all options filled in.

        Raises:
            RequestError: all problems found, one per line.
        """
        self._watcher.checking("options, data and weights")
        rows = {cell.id: cell.method.model_dump() | {"options": cell.method.given} for cell in pending}
        unique = {json.dumps([row["name"], row["options"]], sort_keys=True): row for row in rows.values()}
        answers = self._ask("bench.run.worker.preflight:fill_options", unique)
        problems = list(dict.fromkeys(answer["error"] for answer in answers.values() if "error" in answer))
        if problems:
            raise RequestError("\n".join(f"study {self._request.study.name}: {problem}" for problem in problems))
        filled = [_with_options(cell, answers) for cell in pending]
        problems = self._ask(
            "bench.run.worker.preflight:check_cells", [cell.model_dump(mode="json") for cell in filled]
        )
        if problems:
            raise RequestError("\n".join(problems))
        return filled


def _describes(known: Any, name: str, plugin: registry.Plugin) -> bool:
    """Whether run.json has a valid description of a method with the same source."""
    entry = known.get(name) if isinstance(known, dict) else None
    return isinstance(entry, dict) and entry.get("sha256") == plugin.sha256 and registry.describes(entry.get("says"))


def _with_options(cell: Cell, answers: Mapping[str, Mapping[str, Any]]) -> Cell:
    options = answers[json.dumps([cell.method.name, cell.method.given], sort_keys=True)]["options"]
    return cell.model_copy(update={"method": cell.method.model_copy(update={"options": options})})
