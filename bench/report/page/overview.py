"""The head of a page and its overview table; cells have raw values for sorting."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.record.record import Record
from bench.report.analysis import search_budgets
from bench.report.analysis.quantities.quantity import Quantity
from bench.report.analysis.significance import LEVEL
from bench.report.charts.rows import ReportRow, quantities
from bench.report.page.embed import clean
from bench.report.results.run import Results
from bench.report.tables import baseline_notes, footnotes, scores
from bench.report.tables.conditions import conditions
from bench.report.tables.scores import F1
from bench.text.display import one_line
from bench.text.tables.table import DASH

NAMES = ("Dataset", "Model", "Machine")
#: Significant digits of a raw value, more than any column shows.
DIGITS = 9


def head(results: Results) -> dict[str, Any]:
    """Title, tags, facts and conditions of measurement, shown above the overview."""
    records = [record for record, _ in results.cells]
    several = len(results.runs) > 1
    texts = [f"{f'{label}: ' if several else ''}{conditions(run.records)}"
             for label, run in zip(results.labels(), results.runs, strict=True) if run.records]  # fmt: skip
    notes = [
        text for run in results.runs for text in (run.study.get("notes", ""), f"Measured by: {run.command}") if text
    ]
    remarks = [*search_budgets.unequal(records), *notes]
    return {
        "title": one_line(results.title, 300),
        "tags": list(_tags(records)),
        "facts": [results.counts, *_versions(records)],
        "conditions": [*texts, *map(one_line, remarks), *filter(None, [results.source])],
    }


def _tags(records: Sequence[Record]) -> Iterable[str]:
    cells = [record.cell for record in records]
    profile = any(cell.dataset.kind == "profile" for cell in cells)
    data = [record.data for record in records if record.data is not None]
    if profile:
        yield footnotes.PROFILE
    if any(cell.dataset.kind == "synthetic" for cell in cells) or (not profile and any(one.synthetic for one in data)):
        yield footnotes.SYNTHETIC
    if any(cell.model.weights == "random" for cell in cells):
        yield footnotes.RANDOM
    if any(cell.model.scale == "tiny" for cell in cells):
        yield footnotes.TINY


def _versions(records: Sequence[Record]) -> list[str]:
    machines = [record.machine for record in records if record.machine]
    versions = dict.fromkeys(one_line(machine.packages.get("tunebench", "unknown"), 40) for machine in machines)
    return [f"tunebench {', '.join(versions)}"] if versions else []


def table(results: Results, rows: Sequence[ReportRow]) -> dict[str, Any]:
    """Heads, filters and rows of the overview, for the template."""
    columns = [
        one
        for one in quantities(results)
        if "table3" in one.places or any(row.numbers[one.centre] is not None for row in rows)
    ]
    several = len(results.runs) > 1
    options = _options(rows, several)
    heads = [{"lines": [name], "number": False} for name in ("Method", *NAMES[: 3 if several else 2])]
    heads += [{"lines": one.header.split("\n"), "number": True} for one in columns]
    heads += [{"lines": [name], "number": False} for name in ("Validity", "Status")]
    return {
        "heads": heads,
        "filters": [{"name": name, "label": name.capitalize(), "options": texts}
                    for name, texts in options.items() if len(texts) > 1],
        "rows": [_line(row, columns, options) for row in rows], "level": f"{LEVEL:.0%}", "dash": DASH,
        "sources": " ".join(filter(None, [scores.sources([row.significance for row in rows]), _baselines(rows)])),
    }  # fmt: skip


def _facts(row: ReportRow, several: bool = True) -> dict[str, str]:
    """Values of a row by the name of their filter."""
    facts = {name: str(row.numbers[name]) for name in ("dataset", "model", "method")}
    facts |= {"machine": row.machine} if several else {}
    return facts | {"validity": row.stamp or DASH, "status": str(row.numbers["status"])}


def _options(rows: Sequence[ReportRow], several: bool) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, text in _facts(row, several).items():
            found.setdefault(name, {})[text] = None
    return {name: list(texts) for name, texts in found.items()}


def _line(row: ReportRow, columns: Sequence[Quantity], options: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    facts = _facts(row)
    names = [(facts["dataset"], _data_tags(row)), (facts["model"], _model_tags(row))]
    if "machine" in options:
        names.append((row.machine, []))
    return {
        "key": row.place.key, "address": _address(row),
        "facts": {name: texts.index(facts[name]) for name, texts in options.items()}, "method": facts["method"],
        "names": names, "numbers": [_number(row, column) for column in columns], "stamp": row.stamp,
        "status": facts["status"],
    }  # fmt: skip


def _address(row: ReportRow) -> str:
    """The address of a row's only cell, or of the view of all its cells."""
    keys = row.place.cell_keys
    return f"cell={keys[0]}" if len(keys) == 1 else f"row={row.place.key}"


def _data_tags(row: ReportRow) -> list[str]:
    kind = row.place.cells[0].record.cell.dataset.kind
    return ["filler texts"] if kind == "profile" else ["synthetic"] if row.numbers["synthetic"] else []


def _model_tags(row: ReportRow) -> list[str]:
    model = row.place.cells[0].record.cell.model
    return [
        tag for tag, holds in (("random weights", model.weights == "random"), ("tiny", model.scale == "tiny")) if holds
    ]


def _number(row: ReportRow, column: Quantity) -> dict[str, Any]:
    value = row.numbers[column.centre]
    found = {"value": None, "text": DASH, "std": "", "interval": "", "rank": ""}
    if value is None:
        return found
    std = row.numbers[f"{column.column}_std"] if column.spread else None
    text, _, spread = column.written(value, std).partition(" ± ")
    found |= {"value": f"{value:.{DIGITS}g}", "text": text, "std": spread}
    if column.column == F1:
        low, high = row.numbers[f"{F1}_low"], row.numbers[f"{F1}_high"]
        interval = "" if low is None else f"{low:.4f} to {high:.4f}"
        found |= {
            "interval": ", ".join(filter(None, [interval, f"n={row.numbers['seeds']}", _beside_baseline(row)])),
            "rank": row.significance.rank,
        }
    return found


def _beside_baseline(row: ReportRow) -> str:
    return "" if row.baseline is None else f"best baseline: {baseline_notes.SHORT[row.baseline.decision.direction]}"


def _baselines(rows: Sequence[ReportRow]) -> str:
    return baseline_notes.CAPTION if any(row.baseline for row in rows) else ""


def embedded(results: Results, rows: Sequence[ReportRow]) -> list[dict[str, Any]]:
    """Data of the rows for the page's script: names, cells, and the numbers of each cell."""
    columns = quantities(results)
    return [
        {
            "key": row.place.key, "address": _address(row), "run": row.place.run, "names": list(row.names),
            "cells": list(row.place.cell_keys), "each": [_of_cell(record, columns) for record, _ in row.place.cells],
            "notes": clean(row.notes),
        }
        for row in rows
    ]  # fmt: skip


def _of_cell(record: Record, columns: Sequence[Quantity]) -> list[str]:
    values = [column.values([record])[0] if record.status == "ok" else None for column in columns]
    texts = [
        DASH if value is None else column.written(value, None) for value, column in zip(values, columns, strict=True)
    ]
    return [*texts, record.stamp if record.status == "ok" else DASH, record.status]


def heads_of_cells(results: Results) -> list[str]:
    """Column heads of the numbers in ``embedded``."""
    return [*(column.label for column in quantities(results)), "Validity", "Status"]
