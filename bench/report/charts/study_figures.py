"""The figures of a study: F1 against cost, ranks, memory, training curves, search and confusion matrices."""

from collections.abc import Iterator, Sequence
from typing import Any

from bench.report.charts import chart_frames
from bench.report.charts.figures import Figures
from bench.report.charts.plots import confusion, cost, curves, memory, pareto, ranks, search
from bench.report.charts.rows import ReportRow
from bench.text.tables.csv_text import csv_lines

FOLDER = "figures"


def add(found: Sequence[ReportRow], source: str, figures: Figures) -> None:
    """Add the non-empty figures, with paths below ``figures/``.

    Args:
        found: rows of the report.
        source: sha256 of the records.
        figures: figures of the report.
    """
    for name, spec in _specs(found):
        if spec is not None:
            meta = spec["usermeta"]
            meta["caption"] = f"{meta['caption']} Source: records sha256 {source[:12]}."
            figures.add(spec, f"{FOLDER}/{name}")


def data(found: Sequence[ReportRow]) -> dict[str, bytes]:
    """The numbers behind the figure of the search as csv by path, one line per row and number of trials."""
    lines = [line for row in found for line in chart_frames.search(row)]
    if not lines:
        return {}
    return {f"{FOLDER}/search.csv": csv_lines(list(lines[0]), (list(line.values()) for line in lines)).encode()}


def _specs(found: Sequence[ReportRow]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    import pandas as pd

    table = pd.DataFrame(map(chart_frames.line, found))
    parts = pd.DataFrame([part for row in found for part in chart_frames.parts(row)])
    points = [point for row in found for point in chart_frames.points(row)]
    yield "pareto", pareto.spec(table)
    yield "cost", cost.spec(table)
    yield "ranks", ranks.spec(table)
    yield "memory", None if parts.empty else memory.spec(parts)
    yield "curves", curves.spec(points)
    yield "search", search.spec([point for row in found for point in chart_frames.search(row)])
    matrices: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        matrices.setdefault(row.dataset, []).extend(chart_frames.confusion(row))
    for number, matrix in enumerate(matrices.values(), start=1):  # numbered, as names may contain anything
        yield f"confusion_{number}", confusion.spec(matrix)
