"""Loss, validation F1 and throughput by step or time, one line per cell."""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from bench.report.charts.chart_parts import PAGE, PANELS, category, first, number, rounded, stacked
from bench.report.charts.figure_text import tip
from bench.report.charts.plots import points
from bench.report.charts.plots.metrics import FrameRow

#: By measure: pass, column and axis title.
MEASURES = {
    "loss": ("train", "loss_nats", "Training loss (nats)"),
    "macro_f1": ("validation", "macro_f1", "Validation macro F1"),
    "train_speed": ("train", "tokens_per_second", "Training (tokens/s)"),
    "inference_speed": ("inference", "tokens_per_second", "Inference (tokens/s)"),
}
OVER = {"step": "Step", "elapsed_seconds": "Time since the first step (s)"}
#: Largest number of points of all lines, and smallest number per line.
POINTS, FEWEST = 6000, 8
#: Largest number of points of a measure that are marked.
MARKED = 1000

Line = list[tuple[float, float]]


def spec(
    rows: Sequence[FrameRow],
    over: Literal["step", "elapsed_seconds"] = "step",
    measures: Sequence[str] = ("loss", "macro_f1", "train_speed"),
) -> dict[str, Any] | None:
    """The charts below each other, one panel per dataset and model; None without points.

    Args:
        rows: points with the columns of ``load_curves``; no data frame, as iterating over one is slow.
        over: column of the x axis.
        measures: measures to draw if known.
    """
    found = points.select(rows)
    some = {(row["model"], row["dataset"]): row for row in found.rows}
    named = {names: found.named(row, "model", "dataset") for names, row in some.items()}
    panels, notes = first(named.values(), PANELS, "pairs of dataset and model")
    at = {panel: place for place, panel in enumerate(panels)}
    lines: dict[tuple[Any, ...], Line] = {}
    for row in found.rows:
        panel = named[row["model"], row["dataset"]]
        for measure in measures:
            of, column, _ = MEASURES[measure]
            x, y = number(row[over]), number(row[column])
            if row["pass_name"] == of and panel in at and x is not None and y is not None:
                seed = f"{row['seed']}, repeat {row['repeat']}" if row["repeat"] else f"{row['seed']}"
                key = (measure, panel, found.names["method"][row["method"]], seed)
                lines.setdefault(key, []).append((x, y))
    if not lines:
        return None
    most = max(FEWEST, POINTS // len(lines))
    thin = {key: coarser(sorted(line), most) for key, line in lines.items()}
    data = [
        {"measure": measure, "panel": panel, "place": at[panel], "method": method, "seed": seed,
         "x": rounded(x), "y": rounded(y)}
        for (measure, panel, method, seed), line in thin.items() for x, y in line
    ]  # fmt: skip
    methods = list(found.names["method"].values())
    drawn = [measure for measure in measures if any(key[0] == measure for key in lines)]
    cells = len({key[1:] for key in lines})
    coarse = ["Points are means over neighbours."] if any(len(thin[key]) < len(lines[key]) for key in lines) else []
    said = " ".join([*found.notes, *notes, *coarse])
    caption = f"n = {cells} cells, a line each: colours are methods, seeds share a colour. {said}"
    columns = {"measure": "measure", "panel": "dataset and model", "x": OVER[over], "y": "value"}
    counts = {measure: [len(line) for key, line in thin.items() if key[0] == measure] for measure in drawn}
    views = {
        measure: _view(MEASURES[measure][2], OVER[over], methods, len(panels), sum(each) <= MARKED or min(each) == 1)
        for measure, each in counts.items()
    }
    return stacked("Training curves", caption, data, views, panels, columns)


def coarser(line: Line, most: int) -> Line:
    """The line with at most so many points, each the mean of consecutive points at the x of the last."""
    size = math.ceil(len(line) / most)
    chunks: Iterable[Line] = (line[start : start + size] for start in range(0, len(line), size))
    return [(chunk[-1][0], statistics.fmean(y for _, y in chunk)) for chunk in chunks]


def _view(title: str, over: str, methods: Sequence[str], panels: int, marked: bool) -> dict[str, Any]:
    wide, high = (430, 160) if panels == 1 else (300, 140) if panels == 2 else (200, 110) if panels == 3 else (145, 100)
    scale, ticks = {"zero": False, "nice": False, "padding": 5}, {"tickCount": 4 if wide > 150 else 3}
    encoding = {
        "x": {"field": "x", "type": "quantitative", "title": over, "scale": scale, "axis": ticks},
        "y": {"field": "y", "type": "quantitative", "title": title, "scale": scale, "axis": ticks},
        "detail": {"field": "seed"},
        "tooltip": [tip("method", "method"), tip("seed", "seed"), tip("x", over, ",.4~g"), tip("y", title, ",.4~g")],
    }
    mark = {"type": "line", "aria": False, "point": {"size": 9, "aria": False} if marked else False}
    colour = category("method", list(methods), "Method", PAGE, "strokeDash")
    return {"width": wide, "height": high, "mark": mark, "encoding": encoding | colour}
