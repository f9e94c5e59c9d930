"""The kinds of chart that an insight may ask for: which of its rows are drawn, and how, onto axes."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import CenteredNorm, Normalize, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.insight import Chart, Insight, Value

#: Told apart with any colour vision, and the first three, which differ in lightness, also in grey.
PALETTE = ("#004488", "#D55E00", "#88CCEE", "#222222", "#117733", "#E69F00", "#CC79A7", "#888888")
MARKERS = "os^Dv<P*X>p"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
HATCHES = ("", "/////", ".....", "\\\\\\\\\\", "xxxxx", "-----")
REFERENCE: dict[str, Any] = {"color": "#555555", "linestyle": (0, (4, 2)), "linewidth": 0.9, "zorder": 1.5}
SEQUENTIAL, DIVERGING = "Blues", "RdBu_r"
#: Numbers beyond it are left out, for an axis cannot span them; those below the inverse are drawn as zero.
LARGEST = 1e100
#: Categories that are drawn, the first ones, by column of the chart.
CATEGORIES: Mapping[str, tuple[str, ...]] = {"heatmap": ("x", "y"), "bars": ("x",), "lines": (), "scatter": ()}
LIMITS = {"panel": 24, "colour": 24, "x": 200, "y": 200}
ANNOTATED_CELLS = 100
VECTOR_MARKS = 1000


class Row(NamedTuple):
    """One row of the columns that a chart names.

    Attributes:
        panel: category.
        colour: category.
        x: category, where the chart has some there.
        y: category, of a heatmap.
        at: x as a number, or NaN.
        value: what is shown: of a heatmap its value, else y as a number; or NaN.
    """

    panel: Value
    colour: Value
    x: Value
    y: Value
    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn of an insight.

    Attributes:
        chart: how.
        panels: rows by category, in the order in which they come up.
        colours: categories.
        xs: categories of x, of a heatmap and of bars.
        ys: categories of y, of a heatmap.
        left_out: what is not drawn, a sentence each.
    """

    chart: Chart
    panels: Mapping[Value, Sequence[Row]]
    colours: tuple[Value, ...]
    xs: tuple[Value, ...]
    ys: tuple[Value, ...]
    left_out: tuple[str, ...]

    @property
    def annotated(self) -> bool:
        """True for a heatmap with so few cells that their values are written into them."""
        return self.chart.kind == "heatmap" and len(self.xs) * len(self.ys) <= ANNOTATED_CELLS

    def finite(self) -> list[float]:
        """The numbers that have a place in the picture, of all panels."""
        return [row.value for rows in self.panels.values() for row in rows if math.isfinite(row.value)]


def number(value: Value) -> float:
    """The value as a number that can be drawn, NaN where it is none."""
    if not isinstance(value, int | float) or abs(value) > LARGEST:
        return math.nan
    return float(value) if abs(value) > 1 / LARGEST else 0.0


def select(insight: Insight, chart: Chart) -> Picture:
    """The rows that can be drawn, and what had to be left out."""
    rows, left_out = _rows(insight, chart), []
    if chart.kind in ("lines", "scatter"):
        gaps = chart.kind == "lines"
        kept = [row for row in rows if math.isfinite(row.at) and (gaps or math.isfinite(row.value))]
        if len(kept) < len(rows):
            left_out.append(f"{len(rows) - len(kept)} of {len(rows)} points have no place and are not drawn.")
        rows = kept
    found: dict[str, tuple[Value, ...]] = {}
    for part in ("panel", "colour", *CATEGORIES[chart.kind]):
        categories = tuple(dict.fromkeys(getattr(row, part) for row in rows))
        found[part] = categories[: LIMITS[part]]
        if len(categories) > LIMITS[part]:
            left_out.append(f"Drawn are the first {LIMITS[part]} of {len(categories)} categories of {part}.")
            drawn = set(found[part])
            rows = [row for row in rows if getattr(row, part) in drawn]
    panels: dict[Value, list[Row]] = {panel: [] for panel in found["panel"]}
    for row in rows:
        panels[row.panel].append(row)
    marks = {part: at for part in ("reference", "centre") if math.isfinite(at := number(getattr(chart, part)))}
    chart = chart.model_copy(update={"reference": None, "centre": None} | marks)
    return Picture(chart, panels, found["colour"], found.get("x", ()), found.get("y", ()), tuple(left_out))


def _rows(insight: Insight, chart: Chart) -> list[Row]:
    columns, absent = insight.columns, (None,) * len(insight.columns[chart.x])
    colour = None if chart.kind == "heatmap" else chart.colour  # there the value is the colour
    panels, colours = (columns[name] if name is not None else absent for name in (chart.panel, colour))
    values = columns[chart.value] if chart.kind == "heatmap" and chart.value is not None else columns[chart.y]
    entries = zip(panels, colours, columns[chart.x], columns[chart.y], values, strict=True)
    return [Row(panel, colour, x, y, number(x), number(value)) for panel, colour, x, y, value in entries]


def scale(picture: Picture) -> ScalarMappable:
    """A heatmap's colours, alike in all panels; they reach as far below a centre as above it."""
    values, centre = picture.finite() or [0.0], picture.chart.centre
    if centre is not None:
        reach = max(abs(value - centre) for value in values)
        return ScalarMappable(CenteredNorm(centre, reach or abs(centre) or 1.0), DIVERGING)
    low, high = min(values), max(values)
    beyond = 0.0 if low < high else abs(low) or 1.0
    return ScalarMappable(Normalize(low - beyond, high + beyond), SEQUENTIAL)


def draw_heatmap(axes: Axes, rows: Sequence[Row], picture: Picture) -> None:
    """Draw the value of each pair of categories, the last where there are several; none leaves the cell hatched."""
    grid = np.full((len(picture.ys), len(picture.xs)), np.nan)
    down, along = _places(picture.ys), _places(picture.xs)
    for row in rows:
        grid[down[row.y], along[row.x]] = row.value
    colours, many = scale(picture), grid.size > VECTOR_MARKS
    look: dict[str, Any] = {"cmap": colours.cmap, "norm": colours.norm, "rasterized": many}
    look |= {} if many else {"edgecolors": "white", "linewidth": 0.8}
    axes.patch.set(facecolor="white", hatch="////", edgecolor="#dddddd")
    axes.pcolormesh(np.ma.masked_invalid(grid), **look)
    axes.set(xlim=(0, len(picture.xs)), ylim=(len(picture.ys), 0))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if picture.annotated:
        written = _writer(picture.finite())
        for (at_y, at_x), value in np.ndenumerate(grid):
            if math.isfinite(value):
                colour = "white" if _lightness(colours.to_rgba(value)) < 0.5 else "black"
                axes.text(at_x + 0.5, at_y + 0.5, written(value), ha="center", va="center", fontsize=7, color=colour)


def draw_bars(axes: Axes, rows: Sequence[Row], picture: Picture) -> None:
    """Draw a bar from zero for each number, those of one category of x side by side."""
    along, wide = _places(picture.xs), 0.8 / len(picture.colours)
    for place, own in _by_colour(rows, picture):
        corners = [
            [(left, 0), (left, row.value), (left + wide, row.value), (left + wide, 0)]
            for row, left in ((row, along[row.x] + 0.1 + place * wide) for row in own)
            if math.isfinite(row.value)
        ]
        axes.add_collection(PolyCollection(corners, rasterized=len(corners) > VECTOR_MARKS, **_face(place)))
    axes.set_xlim(0, len(picture.xs))
    reference = picture.chart.reference
    marks = [0.0, *picture.finite(), *([] if reference is None else [reference])]
    low, high = min(marks), max(marks)
    room = (high - low) / 20 or 1.0
    axes.set_ylim(low - room if low < 0 else 0, high + room if high > 0 or low == 0 else 0)
    axes.axhline(0, color="#444444", linewidth=0.6)
    axes.tick_params(axis="x", length=0)


def draw_lines(axes: Axes, rows: Sequence[Row], picture: Picture) -> None:
    """Draw a line for each colour, from left to right; a number that is not known leaves a gap."""
    for place, own in _by_colour(rows, picture):
        points = sorted(own, key=lambda row: row.at)
        apart = max(1, len(points) // 8)
        first = place * apart // len(picture.colours)
        many = len(points) > 10 * VECTOR_MARKS
        look = _line(place) | {"markersize": 3.5, "markevery": (first, apart), "rasterized": many}
        axes.plot([row.at for row in points], [row.value for row in points], **look)


def draw_scatter(axes: Axes, rows: Sequence[Row], picture: Picture) -> None:
    """Draw a point for each row; as pixels even in a vector file, which stays small."""
    size = min(22.0, max(4.0, 4000 / max(1, len(rows))))
    for place, own in _by_colour(rows, picture):
        look: dict[str, Any] = {"color": _colour(place), "marker": _marker(place), "edgecolors": "white"}
        look |= {"s": size, "linewidths": 0.25, "alpha": 0.75, "rasterized": True}
        axes.scatter([row.at for row in own], [row.value for row in own], **look)


DRAW: Mapping[str, Callable[[Axes, Sequence[Row], Picture], None]] = {
    "heatmap": draw_heatmap,
    "bars": draw_bars,
    "lines": draw_lines,
    "scatter": draw_scatter,
}


def handle(kind: str, place: int) -> Artist:
    """What stands for a category in the legend."""
    if kind == "bars":
        return Patch(**_face(place))
    return Line2D([], [], **_line(place) | {"markersize": 5} | ({} if kind == "lines" else {"linestyle": "none"}))


def _face(place: int) -> dict[str, Any]:
    hatch = HATCHES[place // (len(PALETTE) // 2) % len(HATCHES)]
    return {"facecolor": _colour(place), "hatch": hatch, "edgecolor": "white", "linewidth": 0.4}


def _line(place: int) -> dict[str, Any]:
    dash = DASHES[place // len(PALETTE) % len(DASHES)]
    look = {"color": _colour(place), "marker": _marker(place), "linestyle": dash, "linewidth": 1.2}
    return look | {"markeredgecolor": "white", "markeredgewidth": 0.4}


def _by_colour(rows: Sequence[Row], picture: Picture) -> Iterable[tuple[int, list[Row]]]:
    groups: dict[Value, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.colour, []).append(row)
    return [(place, groups[colour]) for place, colour in enumerate(picture.colours) if colour in groups]


def _places(categories: Sequence[Value]) -> dict[Value, int]:
    return {category: place for place, category in enumerate(categories)}


def _colour(place: int) -> str:
    return PALETTE[place % len(PALETTE)]


def _marker(place: int) -> str:
    return MARKERS[place % len(MARKERS)]


def _lightness(colour: Any) -> float:
    red, green, blue = to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _writer(values: Sequence[float]) -> Callable[[float], str]:
    """How the numbers of one heatmap are written: with as many decimals as three digits of the largest need."""
    largest = max(map(abs, values), default=0.0)
    if not 0.01 <= largest < 1e5:
        return lambda value: f"{value:.2g}".replace("-", "−")
    whole = all(value == round(value) for value in values)
    decimals = 0 if whole else min(2, max(0, 2 - math.floor(math.log10(largest))))
    return lambda value: f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
