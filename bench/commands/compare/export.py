"""A comparison for programs: csv and JSON."""

import json
from collections.abc import Iterator
from typing import Any

from bench.commands.compare.changes import ABSENT
from bench.commands.compare.result import Comparison
from bench.commands.compare.side import Side
from bench.report.analysis.names import NAMES
from bench.text.json_text import dumps
from bench.text.tables.csv_text import csv_lines

#: A line is a change, a cell that was not measured on both sides, a move that all rows share, or a metric of a row;
#: unused columns are empty.
COLUMNS = (
    "kind", "dataset", "model", "method", "seeds", "name", "a", "b", "difference", "difference_of", "own_difference",
    "interval_low", "interval_high", "noise", "verdict", "regression", "note",
)  # fmt: skip


def to_csv(comparison: Comparison) -> str:
    """Every change, cell and metric as csv; text that looks like a formula gets a leading apostrophe."""
    rows = (
        [kind, *(_field(row.get(column)) for column in COLUMNS[1:])]
        for kind, rows_of_kind in _tables(comparison)
        for row in rows_of_kind
    )
    return csv_lines(COLUMNS, rows)


def to_json(comparison: Comparison) -> str:
    """The same as one JSON object; absent values are left out."""
    return dumps({
        "schema_version": 2, "regression": comparison.regressed, "not_judged": comparison.not_judged,
        "verdict": comparison.sentence(), "threshold": comparison.rules.threshold,
        "f1_threshold": comparison.rules.f1_threshold, "strict": comparison.rules.strict,
        "a": _side(comparison.a), "b": _side(comparison.b),
        **{f"{kind.replace(' ', '_')}s": [_present(row) for row in rows] for kind, rows in _tables(comparison)},
    })  # fmt: skip


def _tables(comparison: Comparison) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "change", list(_changes(comparison))
    yield "cell", list(_cells(comparison))
    yield "common move", list(_common(comparison))
    yield "metric", list(_metrics(comparison))


def _side(side: Side) -> dict[str, Any]:
    return {
        "path": str(side.path), "kind": side.kind, "study": side.study["name"], "cells": len(side.cells),
        "not_run": list(side.not_run),
    }  # fmt: skip


def _changes(comparison: Comparison) -> Iterator[dict[str, Any]]:
    total = len(comparison.matching.pairs)
    for change in comparison.changes:
        cells = "" if change.cells is None else f"{change.cells} of {total} paired cells"
        yield {"name": f"{change.area}: {change.what}", "a": change.a, "b": change.b, "note": cells}


def _cells(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for one in comparison.outcomes:
        cell = one.record.cell
        yield {
            **{part: getattr(cell, part).name for part in NAMES}, "seeds": [cell.seed], "a": one.a, "b": one.b,
            "verdict": one.kind, "regression": one.regression, "note": one.reason,
        }  # fmt: skip


def _common(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for one in comparison.common:
        low, high = one.interval or (None, None)
        matmul = "matmul rate unknown" if one.matmul is None else f"matmul rate {one.matmul:+.4f}, relative"
        yield {
            "name": one.metric.quantity.column, "difference": one.difference, "difference_of": "relative",
            "interval_low": low, "interval_high": high, "noise": f"single cells of {one.rows} rows",
            "verdict": one.verdict, "regression": one.regression, "note": matmul,
        }  # fmt: skip


def _metrics(comparison: Comparison) -> Iterator[dict[str, Any]]:
    names = comparison.names()
    for move in comparison.moves:
        low, high = (move.noise and move.noise.interval) or (None, None)
        yield {
            **dict(zip(NAMES, names[id(move.row)], strict=True)), "seeds": list(move.seeds),
            "name": move.metric.quantity.column, "a": move.a, "b": move.b, "difference": move.difference,
            "difference_of": "absolute" if move.metric.kind == "quality" else "relative", "own_difference": move.own,
            "interval_low": low, "interval_high": high, "noise": ", ".join(move.noise.sources) if move.noise else "",
            "verdict": move.verdict, "regression": move.regression, "note": "; ".join(move.suspect),
        }  # fmt: skip


def _field(value: Any) -> Any:
    if value is ABSENT or value is None:
        return ""
    if isinstance(value, list) and all(isinstance(one, int) for one in value):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not ABSENT}
