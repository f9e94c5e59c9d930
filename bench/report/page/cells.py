"""The cells as a page embeds them: whole records, what many of them share kept once."""

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from bench.record import Record
from bench.report.analysis.names import NAMES, flat, labels
from bench.report.charts.address import Place
from bench.report.page.embed import clean
from bench.report.results.measured import Measured
from bench.report.results.run import Results, Run
from bench.report.results.step_curve import StepCurve

#: Parts of a record that many records share.
SHARED = (
    "cell.dataset", "cell.model", "cell.method", "cell.data", "cell.train", "cell.prompt", "cell.limits", "machine",
    "data", "prompt", "parameters", "flops", "unknown",
)  # fmt: skip


class _Pool:
    """Values that are kept once, by place in the record."""

    def __init__(self) -> None:
        self.values: dict[str, list[Any]] = {path: [] for path in SHARED}
        self._known: dict[tuple[str, str], int] = {}

    def keep(self, path: str, value: Any) -> int:
        key = path, json.dumps(value, sort_keys=True)
        if key not in self._known:
            self._known[key] = len(self.values[path])
            self.values[path].append(value)
        return self._known[key]


def embedded(results: Results, places: Sequence[Place]) -> dict[str, Any]:
    """What the page's script draws cells from.

    Of a record nulls are left out, but for settings, where they mean something. In the place of a shared part stands
    the number of its value in ``shared``.

    Args:
        results: that are drawn.
        places: of all rows.
    """
    pool = _Pool()
    cells = [
        _cell(cell, key, at, results.runs[place.run], pool)
        for at, place in enumerate(places)
        for cell, key in zip(place.cells, place.cell_keys, strict=True)
    ]
    return {
        "cells": clean(cells),
        "shared": clean(pool.values),
        "runs": [{"differing": clean(_differing(run.records)), "labels": clean(label)}
                 for run, label in zip(results.runs, results.labels(), strict=True)],
    }  # fmt: skip


def _cell(cell: Measured, key: str, row: int, run: Run, pool: _Pool) -> dict[str, Any]:
    record, evidence = cell
    content = record.model_dump(mode="json", exclude={"cell"}, exclude_none=True)
    content = {"cell": record.cell.model_dump(mode="json")} | content
    for path in SHARED:
        *above, name = path.split(".")
        home = content[above[0]] if above else content
        if home.get(name) is not None:
            home[name] = pool.keep(path, home[name])
    names = labels(record.cell, [one.cell for one in run.records])
    found = {
        "key": key,
        "row": row,
        "title": [*(names[part] for part in NAMES), f"seed {record.cell.seed}{_repeat(record)}"],
        "stamp": record.stamp,
        "record": content,
        "curves": [_curve(curve) for curve in evidence.curves],
        "replay": list(replay(run.name, record.cell_id)),
        "log": evidence.log,
        "troubles": evidence.troubles,
        "predictions": evidence.predictions if isinstance(evidence.predictions, str) else "",
    }
    return {name: value for name, value in found.items() if value or name == "row"}


def _repeat(record: Record) -> str:
    return f", repeat {record.cell.repeat}" if record.cell.repeat else ""


def _curve(curve: StepCurve) -> dict[str, Any]:
    return curve.model_dump(mode="json", exclude_none=True, exclude={"elapsed_seconds"})


def _differing(records: Iterable[Record]) -> list[str]:
    """Settings that are not alike in all cells of a run, in the order in which they come."""
    seen: dict[str, Any] = {}
    differing: dict[str, None] = {}
    for number, record in enumerate(records):
        for name, value in flat(record.cell.model_dump(mode="json")).items():
            if number and (name not in seen or seen[name] != value):
                differing[name] = None
            seen.setdefault(name, value)
    return list(differing)


def replay(run: str, cell_id: str) -> tuple[str, str]:
    """The two commands that measure a cell again, from where the study was run: its file, and the worker itself.

    Args:
        run: name of the study, which names its folder below ``runs``.
        cell_id: names the cell's.
    """
    folder = f"runs/{run}/cells/{cell_id}"
    return f"bash {shlex.quote(f'{folder}/replay.sh')}", f"python -m bench.worker {shlex.quote(f'{folder}/cell.json')}"
