"""The cells that a page embeds: whole records, with shared parts stored once."""

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from bench.record.record import Record
from bench.report.analysis.names import NAMES, flat
from bench.report.charts.rows import ReportRow
from bench.report.page.embed import clean
from bench.report.results.measured import Measured
from bench.report.results.run import Results, Run
from bench.report.results.step_curve import StepCurve

#: Parts of a record that are often equal in many records.
SHARED = (
    "cell.dataset", "cell.model", "cell.method", "cell.data", "cell.train", "cell.prompt", "cell.limits", "machine",
    "data", "prompt", "parameters", "flops", "unknown",
)  # fmt: skip


class _Pool:
    """Distinct values by their path in the record."""

    def __init__(self) -> None:
        self.values: dict[str, list[Any]] = {path: [] for path in SHARED}
        self._known: dict[tuple[str, str], int] = {}

    def keep(self, path: str, value: Any) -> int:
        key = path, json.dumps(value, sort_keys=True)
        if key not in self._known:
            self._known[key] = len(self.values[path])
            self.values[path].append(value)
        return self._known[key]


def embedded(results: Results, rows: Sequence[ReportRow]) -> dict[str, Any]:
    """Data of the cell views: cells, shared parts of records, and facts on each run.

    Nulls of a record are left out except in its settings, where they have a meaning. A shared part is replaced by the
    index of its value in ``shared``.

    Args:
        results: results to draw.
        rows: rows of the page.
    """
    pool = _Pool()
    cells = [
        _cell(cell, key, at, row, results.runs[row.place.run], pool)
        for at, row in enumerate(rows)
        for cell, key in zip(row.place.cells, row.place.cell_keys, strict=True)
    ]
    return {
        "cells": clean(cells),
        "shared": clean(pool.values),
        "runs": [{"differing": clean(_differing(run.records)), "labels": clean(label)}
                 for run, label in zip(results.runs, results.labels(), strict=True)],
    }  # fmt: skip


def _cell(cell: Measured, key: str, at: int, row: ReportRow, run: Run, pool: _Pool) -> dict[str, Any]:
    record, evidence = cell
    content = record.model_dump(mode="json", exclude={"cell"}, exclude_none=True)
    content = {"cell": record.cell.model_dump(mode="json")} | content
    for path in SHARED:
        *above, name = path.split(".")
        home = content[above[0]] if above else content
        if home.get(name) is not None:
            home[name] = pool.keep(path, home[name])
    found = {
        "key": key, "row": at,
        "title": [*(row.numbers[name] for name in NAMES), f"seed {record.cell.seed}{_repeat(record)}"],
        "stamp": record.stamp, "record": content, "curves": [_curve(curve) for curve in evidence.curves],
        "replay": list(replay(run.name, record.cell_id)), "log": evidence.log, "troubles": evidence.troubles,
        "predictions": evidence.predictions if isinstance(evidence.predictions, str) else "",
    }  # fmt: skip
    return {name: value for name, value in found.items() if value or name == "row"}


def _repeat(record: Record) -> str:
    return f", repeat {record.cell.repeat}" if record.cell.repeat else ""


def _curve(curve: StepCurve) -> dict[str, Any]:
    return curve.model_dump(mode="json", exclude_none=True, exclude={"elapsed_seconds"})


def _differing(records: Iterable[Record]) -> list[str]:
    """Settings that differ between the cells of a run, in order of first appearance."""
    settings = [flat(record.cell.model_dump(mode="json")) for record in records]
    names = dict.fromkeys(name for one in settings for name in one)
    missing = object()
    return [name for name in names if any(one.get(name, missing) != settings[0].get(name, missing) for one in settings)]


def replay(run: str, cell_id: str) -> tuple[str, str]:
    """The two commands that measure a cell again: its script, and the worker; run in the folder of the study's run.

    Args:
        run: name of the study and of its folder below ``runs``.
        cell_id: name of the cell's folder.
    """
    folder = f"runs/{run}/cells/{cell_id}"
    return (
        f"bash {shlex.quote(f'{folder}/replay.sh')}",
        f"python -m bench.run.worker {shlex.quote(f'{folder}/cell.json')}",
    )
