"""The charts of a page: specs as the figures of a report have them, and what the page's script may put into them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from bench.record import MemoryLedger
from bench.report import look
from bench.report.page.embed import clean
from bench.report.page.rows import KILOJOULES, MINUTES, Row
from bench.report.plots import cost, curves, ledger, pareto, points, ranks

#: What the page calls its charts, in their order.
TITLES = {
    "pareto": "Any two quantities, and the front", "cost": "F1 against time, energy and memory",
    "ranks": "Ranks of the methods", "ledger": "What peaks of memory are made of", "curves": "Training, step by step",
}  # fmt: skip
THEMES: tuple[look.Theme, ...] = ("light", "dark")
#: Parts of a ledger in the order of a bar, as readers see them.
PARTS = {
    "weights_bytes": "weights", "gradients_bytes": "gradients", "optimizer_state_bytes": "optimizer state",
    "activations_bytes": "activations", "workspace_bytes": "workspace", "allocator_slack_bytes": "allocator slack",
    "cuda_context_bytes": "CUDA context", "process_bytes": "process", "unattributed_bytes": "unattributed",
}  # fmt: skip


def embedded(rows: Sequence[Row], insights: Sequence[Any]) -> dict[str, Any]:
    """What the page draws; None for a chart that has nothing to show.

    Args:
        rows: of the page.
        insights: specs of what methods show, clean.
    """
    found = {
        "pareto": _each(rows, _pareto),
        "cost": _each(rows, cost.spec),
        "ranks": _each(rows, ranks.spec, lambda row: f"{row.dataset}, {row.numbers['model']}"),
        "ledger": _each(rows, ledger.spec, lines=_parts),
        "curves": _curves(rows),
    }
    looks = {theme: look.config(theme) for theme in THEMES}
    return {"looks": looks, "insights": list(insights)} | {name: clean(chart) for name, chart in found.items()}


def _each(
    rows: Sequence[Row],
    build: Callable[[pd.DataFrame], dict[str, Any] | None],
    name: Callable[[Row], str] = lambda row: row.dataset,
    lines: Callable[[Row], Iterable[dict[str, Any]]] = lambda row: [_line(row)],
) -> dict[str, Any] | None:
    """A chart for each dataset, or whatever names it; None where none has anything to draw."""
    frames: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        frames.setdefault(name(row), []).extend(lines(row))
    drawn = {named: build(pd.DataFrame(frame)) for named, frame in frames.items() if frame}
    return {named: chart for named, chart in drawn.items() if chart is not None} or None


def _names(row: Row) -> dict[str, Any]:
    """As the figures name a row; of several machines the dataset says which."""
    return {"dataset": row.dataset, "model": row.numbers["model"], "method": row.numbers["method"]}


def _line(row: Row) -> dict[str, Any]:
    """A row of the table, as the figures read it."""
    times = {"train_seconds": (MINUTES, 60), "energy_train_joules": (KILOJOULES, 1e3)}
    known = {
        name: None if (value := row.numbers[quantity.centre]) is None else value * scale
        for name, (quantity, scale) in times.items()
    }
    return {**row.numbers, **_names(row), **known}


def _pareto(table: pd.DataFrame) -> dict[str, Any] | None:
    choices = pareto.choices(table)
    names: list[str] = [name for name in ("trainable_params", "macro_f1") if name in choices]
    names += [name for name in choices if name not in names]
    spec = pareto.spec(table, *names[:2]) if len(names) > 1 else None
    return None if spec is None else {"spec": spec, "choices": choices, "x": names[0], "y": names[1]}


def _parts(row: Row) -> Iterator[dict[str, Any]]:
    """The parts of a row's peaks, means over the cells that have their ledger."""
    found: dict[str, list[MemoryLedger]] = {}
    for cell in row.place.measured:
        for one in cell.record.memory:
            found.setdefault(one.of, []).append(one)
    for of in ("load", "train", "inference"):
        for part, name in PARTS.items():
            values = [value for one in found.get(of, []) if (value := getattr(one, part)) is not None]
            if values:
                yield {**_names(row), "of": of, "part": name, "mb": fmean(values) / 1e6}


def _curves(rows: Sequence[Row]) -> dict[str, Any] | None:
    """A spec without its points, which the cells have, and what each row is called in it."""
    lines = [{**line, "row": at} for at, row in enumerate(rows) for line in _first_points(row)]
    spec = curves.spec(pd.DataFrame(lines), measures=list(curves.MEASURES)) if lines else None
    if spec is None:
        return None
    found = points.select(lines)
    named = {
        str(row["row"]): {
            "panel": found.named(row, "model", "dataset"), "method": found.names["method"][row["method"]],
        } for row in found.rows
    }  # fmt: skip
    spec["data"]["values"] = []
    return {"spec": spec, "rows": named}


def _first_points(row: Row) -> Iterator[Mapping[str, Any]]:
    """One point of each curve of a row: all that a spec needs to know of it."""
    for cell in row.place.cells:
        of = {**_names(row), "seed": cell.record.cell.seed, "repeat": cell.record.cell.repeat, "elapsed_seconds": None}
        for curve in cell.evidence.curves:
            loss = curve.loss[0] if curve.loss else None
            yield {**of, "pass_name": curve.name, "step": curve.last_step[0], "loss_nats": loss, "macro_f1": None,
                   "samples_per_second": curve.samples_per_second[0]}  # fmt: skip
        for point in cell.record.training.validation[:1] if cell.record.training else ():
            yield {**of, "pass_name": "validation", "step": point.step, "loss_nats": None, "macro_f1": point.macro_f1,
                   "samples_per_second": None}  # fmt: skip
