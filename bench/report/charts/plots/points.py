"""Rows of a study as points of two metrics with intervals: data, layers and sentences for the caption."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.report.charts.chart_parts import PAGE, PANELS, category, first, number
from bench.report.charts.figure_text import NAME, distinct, plain, tip
from bench.report.charts.look import LIGHT, SHAPES
from bench.report.charts.plots.metrics import FrameRow, Metric

#: Largest number of methods and of models, which a legend can hold.
METHODS, MODELS = 24, 24
#: Column with the sources of variation of the intervals of F1.
INTERVAL_OVER = "macro_f1_interval_over"
PARTS = ("dataset", "model", "method")
NUMBER = ",.4~g"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are drawn.

    Attributes:
        rows: rows of the frame, in its order.
        names: names of datasets, models and methods, by part.
        notes: sentences on what is left out.
    """

    rows: Sequence[FrameRow]
    names: Mapping[str, Mapping[Any, str]]
    notes: Sequence[str]

    def named(self, row: FrameRow, *parts: str) -> str:
        """Names of some parts of a row, without those that all rows share; the last is always included."""
        told = [part for part in parts[:-1] if len(self.names[part]) > 1] + [parts[-1]]
        return plain(" / ".join(self.names[part][row[part]] for part in told), 3 * NAME)

    def place(self, row: FrameRow) -> dict[str, Any]:
        """The fields of the data that identify the row."""
        names = {part: self.names[part][row[part]] for part in PARTS}
        at = list(self.names["dataset"]).index(row["dataset"])
        of = {"panel": names["dataset"], "place": at, "model": names["model"], "method": names["method"]}
        return of | {"seeds": number(row.get("seeds"))}


def select(rows: Sequence[FrameRow]) -> Rows:
    """The rows of the first datasets, models and methods."""
    names: dict[str, dict[Any, str]] = {}
    notes: list[str] = []
    for part, most in (("dataset", PANELS), ("model", MODELS), ("method", METHODS)):
        kept, said = first((row[part] for row in rows), most, f"{part}s")
        names[part] = distinct(kept)
        notes += said
        rows = [row for row in rows if row[part] in names[part]]
    return Rows(rows, names, notes)


def between(x: Sequence[float | None], y: Sequence[float | None]) -> dict[str, Any]:
    """The fields of a point: values and the ends of their intervals."""
    return {f"{axis}{end}": value for axis, values in (("x", x), ("y", y))
            for end, value in zip(("", "_low", "_high"), values, strict=True)}  # fmt: skip


def encoding(x: Metric, y: Metric, values: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    """Axes and tooltip, which all layers share.

    Args:
        x: metric of the x axis.
        y: metric of the y axis.
        values: values of x and y by row, see ``Metric.of``.
    """
    tips = [tip("panel", "dataset"), tip("model", "model"), tip("method", "method"), tip("seeds", "seeds", "d")]
    for axis, metric in (("x", x), ("y", y)):
        tips += [tip(axis, metric.name, NUMBER)]
        tips += [tip(f"{axis}_{end}", f"{axis} {end}", NUMBER) for end in ("low", "high")]
    return {
        "x": {"field": "x"} | x.encoding([value[0] for value in values]),
        "y": {"field": "y"} | y.encoding([value[1] for value in values]), "tooltip": tips,
    }  # fmt: skip


def layers(found: Rows) -> list[dict[str, Any]]:
    """Points by method and model, over the intervals of both axes."""
    methods, models = (list(found.names[part].values()) for part in ("method", "model"))
    colour = category("method", methods, "Method", PAGE / 2)
    shape = {"shape": category("model", models, "Model", PAGE / 2, "shape")["shape"]}
    of = {"field": "method", "type": "nominal", "scale": {"domain": methods}}
    drawn = []
    for axis in ("x", "y"):
        ends = {
            axis: {"field": f"{axis}_low", "type": "quantitative", "title": ""}, f"{axis}2": {"field": f"{axis}_high"},
        }  # fmt: skip
        known = {"filter": f"isValid(datum.{axis}_low) && isValid(datum.{axis}_high)"}
        mark = {"type": "rule", "style": "interval", "aria": False}
        drawn.append({"transform": [known], "mark": mark, "encoding": ends | {"color": of}})
    mark = {"type": "point", "aria": False}
    return [*drawn, {"mark": mark, "encoding": colour | (shape if len(models) > 1 else {})}]


def repeated(found: Rows) -> list[str]:
    """Sentences of a caption on colours or shapes that repeat."""
    looks = (("method", "Colours", len(LIGHT)), ("model", "Shapes", len(SHAPES)))
    return [f"{what} repeat after {count} {part}s." for part, what, count in looks if len(found.names[part]) > count]


def intervals(rows: Sequence[FrameRow]) -> str:
    """The sentence of a caption on intervals, with the sources of variation of those of F1."""
    sources = dict.fromkeys(str(over) for row in rows if (over := row.get(INTERVAL_OVER)))
    of_f1 = f"; those of F1 hold the variation between {', or between '.join(sources)}" if sources else ""
    return f"Lines through points: 95 % intervals of the means, where known{of_f1}."


def seeds(rows: Sequence[FrameRow]) -> str:
    """The sentence of a caption on the number of rows and seeds."""
    counts = sorted({int(count) for row in rows if (count := number(row.get("seeds"))) is not None}) or [0]
    over = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"n = {len(rows)} rows, each the mean over {over} {'seed' if counts == [1] else 'seeds'}."
