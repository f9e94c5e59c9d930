"""How large a figure is: sizes of text, of panels and of what stands round them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.insight import Value
from bench.report.charts import Picture
from bench.report.figure_text import plain, width

TITLE, TEXT, CAPTION, TICK = 10.0, 8.0, 7.5, 7.5
LINE = 1.25 / 72  # inches that a line takes for each point of its size
#: Inches: of a page of print, and the limits of what does not fit it.
PAGE, NARROWEST, WIDEST, TALLEST = 7.2, 5.2, 12.0, 18.0
EDGE, GAP, BETWEEN, LONGEST_LABEL, TICK_ROOM = 0.12, 0.08, 0.12, 1.5, 0.14
AXIS_NAME = 0.17
TICK_LABELS = 60


@dataclass(frozen=True, slots=True)
class Sheet:
    """Sizes of a figure, in inches.

    Attributes:
        rows: of panels.
        columns: of panels.
        panel: width and height of one.
        across: width of the figure.
        body: height of the panels with their labels.
        before: width of what stands left of the panels.
        after: width of what stands right of them.
        below: height of the labels below the last row.
        rotated: the categories of x are written at a slant.
        steps: of the categories of x and of y, every how manyth is named.
    """

    rows: int
    columns: int
    panel: tuple[float, float]
    across: float
    body: float
    before: float = 0.0
    after: float = 0.0
    below: float = 0.0
    rotated: bool = False
    steps: tuple[int, int] = (1, 1)


def measured(picture: Picture) -> Sheet:
    """Sizes that keep labels readable: the figure grows with its categories, up to a limit."""
    kind, (width_x, width_y) = picture.chart.kind, (_longest(picture.xs), _longest(picture.ys))
    after = 0.75 if kind == "heatmap" else 0.1
    before = EDGE + AXIS_NAME + 0.12 + (width_y if picture.ys else 0.35)
    wide, high = _panel(picture, width_x)
    most = max(1, min(4, int((PAGE - before - after) // (wide + BETWEEN))))
    rows = math.ceil(len(picture.panels) / most)
    columns = math.ceil(len(picture.panels) / rows)
    across = min(WIDEST, max(NARROWEST, before + columns * (wide + BETWEEN) + after))
    wide, high = (across - before - after) / columns - BETWEEN, min(high, TALLEST / rows)
    crowded = len(picture.xs) * (width_x + 0.06) > wide
    rotated = crowded and width_x > 0.25
    room_x = wide / (TICK_ROOM if rotated else max(TICK_ROOM, width_x + 0.08))
    steps = (_step(len(picture.xs), room_x), _step(len(picture.ys), high / TICK_ROOM))
    below = AXIS_NAME + 0.2 + (0.72 * width_x if rotated else 0.12)
    body = rows * (high + 0.3) + below
    return Sheet(rows, columns, (wide, high), across, body, before, after, below, rotated, steps)


def _panel(picture: Picture, width_x: float) -> tuple[float, float]:
    """Width and height that one panel would like, in inches."""
    kind, categories = picture.chart.kind, len(picture.xs)
    if kind == "heatmap":
        cell, row = (min(0.8, max(0.46, width_x + 0.1)), 0.27) if picture.annotated else (0.2, 0.17)
        return min(9.0, max(1.4, categories * cell)), min(8.0, max(0.9, len(picture.ys) * row))
    if kind == "bars":
        return min(11.0, max(2.0, categories * max(0.2, 0.09 * len(picture.colours)))), 2.2
    if len(picture.panels) == 1:
        return 4.6, 2.8
    if kind == "scatter":
        return 1.95, 1.95
    return (1.95, 1.6) if len(picture.panels) > 4 else (2.9, 2.1)


def _longest(categories: Sequence[Value]) -> float:
    return max((min(width(plain(category)[:80], TICK), LONGEST_LABEL) for category in categories), default=0.0)


def _step(categories: int, room: float) -> int:
    return math.ceil(categories / max(1, min(TICK_LABELS, int(room))))
