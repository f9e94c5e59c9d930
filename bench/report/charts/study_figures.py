"""A study's own figures as files: F1 against cost, ranks, memory and the way through training."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from bench.report.charts import chart_frames, figures
from bench.report.charts.plots import cost, curves, ledger, pareto, ranks
from bench.report.charts.rows import Row

FOLDER = "figures"


def files(found: Sequence[Row], source: str, kinds: Collection[str]) -> dict[str, bytes]:
    """The figures by their names below ``figures/``; those that have something to show.

    Args:
        found: the rows.
        source: sha256 of the records that they come from.
        kinds: of picture, svg and png.
    """
    drawn: dict[str, bytes] = {}
    for name, spec in _specs(found):
        if spec is not None:
            meta = spec["usermeta"]
            meta["caption"] = f"{meta['caption']} Source: records sha256 {source[:12]}."
            drawn |= figures.pictures(spec, f"{FOLDER}/{name}", kinds)
    return drawn


def _specs(found: Sequence[Row]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    import pandas as pd

    table = pd.DataFrame(map(chart_frames.line, found))
    parts = pd.DataFrame([part for row in found for part in chart_frames.parts(row)])
    points = pd.DataFrame([point for row in found for point in chart_frames.points(row)])
    yield "pareto", pareto.spec(table)
    yield "cost", cost.spec(table)
    yield "ranks", ranks.spec(table)
    yield "memory", None if parts.empty else ledger.spec(parts)
    yield "curves", None if points.empty else curves.spec(points)
