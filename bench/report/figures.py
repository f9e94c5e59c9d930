"""Figures of insights: a page with title, legend, panels and caption, and its files, alike to the byte each time."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.errors import RunFolderError
from bench.insight import Insight
from bench.report import charts, csv_text, quotes
from bench.report.charts import Picture
from bench.report.figure_size import (
    AXIS_NAME,
    CAPTION,
    EDGE,
    GAP,
    LINE,
    LONGEST_LABEL,
    NARROWEST,
    TEXT,
    TICK,
    TITLE,
    Sheet,
    measured,
)
from bench.report.figure_text import DOTS_PER_INCH, FAMILY, fit, plain, width, wrap
from bench.store import write_bytes, write_text

STYLE: dict[Any, Any] = {
    "font.family": ["sans-serif"], "font.sans-serif": [FAMILY], "font.size": TEXT, "axes.labelsize": TEXT,
    "axes.titlesize": TEXT, "legend.fontsize": TEXT, "xtick.labelsize": TICK, "ytick.labelsize": TICK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#444444", "axes.linewidth": 0.6,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "axes.axisbelow": True, "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6, "hatch.linewidth": 0.6, "svg.fonttype": "none", "svg.hashsalt": "tunebench",
}  # fmt: skip


@contextmanager
def _style() -> Iterator[None]:
    """The house's looks, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def figure(insight: Insight) -> Figure:
    """The chart of an insight, below its title and above its caption; ``no data`` where there is nothing to draw.

    Raises:
        ValueError: the insight has no chart.
    """
    if insight.chart is None:
        raise ValueError(f"insight {insight.name} has no chart")
    picture = charts.select(insight, insight.chart)
    empty = not picture.finite()
    with _style():
        sheet = Sheet(1, 1, (4.0, 0.6), NARROWEST, 0.6) if empty else measured(picture)
        inside = sheet.across - 2 * EDGE
        title = wrap(insight.title, inside, TITLE, bold=True)
        caption = wrap(" ".join((insight.caption, *picture.left_out)), inside, CAPTION)
        legend = None if empty else _legend(picture, inside)
        head = EDGE + len(title) * TITLE * LINE + 0.06
        above = head + (legend.lines * TEXT * 1.6 / 72 + 0.04 if legend else 0.0)
        foot = len(caption) * CAPTION * LINE + EDGE
        height = above + sheet.body + GAP + foot
        page = Figure(figsize=(sheet.across, height), dpi=DOTS_PER_INCH)
        FigureCanvasAgg(page)
        left = EDGE / sheet.across
        page.text(left, 1 - EDGE / height, "\n".join(title), fontsize=TITLE, fontweight="bold", va="top")
        page.text(left, foot / height, "\n".join(caption), fontsize=CAPTION, color="#333333", va="top")
        body = (left, (foot + GAP) / height, 1 - 2 * left, sheet.body / height)
        if empty:
            page.text(0.5, body[1] + body[3] / 2, "no data", ha="center", va="center", color="#777777")
            return page
        names = (AXIS_NAME / sheet.across, AXIS_NAME / height)
        inner = (body[0] + names[0], body[1] + names[1], body[2] - names[0], body[3] - names[1])
        page.set_layout_engine(ConstrainedLayoutEngine(rect=inner, h_pad=0.03, w_pad=0.03, hspace=0.02, wspace=0.02))
        if legend:
            legend.put(page, left, 1 - head / height)
        _panels(page, picture, sheet)
        _name_axes(page, picture, sheet, body)
    return page


def _panels(page: Figure, picture: Picture, sheet: Sheet) -> None:
    """Draw every panel, with its labels and the scales that it shares with the others."""
    chart, kind = picture.chart, picture.chart.kind
    grid = page.add_gridspec(sheet.rows, sheet.columns)
    shared = kind in ("heatmap", "bars") or _alike(picture)
    drawn: list[Axes] = []
    for place, (panel, rows) in enumerate(picture.panels.items()):
        first = drawn[0] if drawn and shared else None
        axes = page.add_subplot(grid[divmod(place, sheet.columns)], sharex=first, sharey=first)
        drawn.append(axes)
        charts.DRAW[kind](axes, rows, picture)
        if chart.panel is not None:
            name = plain(panel) if isinstance(panel, str) else f"{plain(chart.panel)} {plain(panel)}"
            axes.set_title(fit(name, sheet.panel[0], TEXT), loc="left", fontsize=TEXT)
        if kind != "heatmap":
            axes.grid(axis="y" if kind == "bars" else "both")
            if chart.reference is not None:
                axes.axhline(chart.reference, **charts.REFERENCE)
    for place, axes in enumerate(drawn):
        if place == 0 or not shared:
            _ticks(axes, picture, sheet)
        last = place + sheet.columns >= len(drawn)
        if shared:
            axes.tick_params(labelbottom=last, labelleft=place % sheet.columns == 0)
        for label in axes.get_xticklabels() if sheet.rotated and last else ():
            label.set(rotation=45, ha="right", rotation_mode="anchor")
    if kind == "heatmap":
        _colour_bar(page, picture, sheet, drawn)


def _ticks(axes: Axes, picture: Picture, sheet: Sheet) -> None:
    """Name categories, not more than fit beside each other; write numbers in full."""
    for axis, categories, step in zip((axes.xaxis, axes.yaxis), (picture.xs, picture.ys), sheet.steps, strict=True):
        if categories:
            labels = [fit(category, LONGEST_LABEL, TICK) for category in categories[::step]]
            axis.set_ticks([place + 0.5 for place in range(0, len(categories), step)], labels)
        else:
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            axis.set_major_formatter(FuncFormatter(_number))


def _colour_bar(page: Figure, picture: Picture, sheet: Sheet, drawn: Sequence[Axes]) -> None:
    """Draw a heatmap's scale, no longer than its values reach."""
    colours, values = charts.scale(picture), picture.finite()
    bar = page.colorbar(colours, ax=drawn, aspect=30, fraction=0.05, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(_number))
    whole = max(colours.get_clim()) - min(colours.get_clim())
    if max(values) - min(values) > whole / 1e6:
        bar.ax.set_ylim(min(values), max(values))
    bar.set_label(fit(picture.chart.value_label, sheet.body - 0.2, TEXT), fontsize=TEXT)


def _name_axes(page: Figure, picture: Picture, sheet: Sheet, body: tuple[float, float, float, float]) -> None:
    """Write the labels of the axes once, in the middle of the panels."""
    middle = (sheet.before + sheet.across - sheet.after) / 2 / sheet.across
    centre = body[1] + body[3] * (sheet.body + sheet.below) / 2 / sheet.body
    x_label = fit(picture.chart.x_label, sheet.across - sheet.before - sheet.after, TEXT)
    y_label = fit(picture.chart.y_label, sheet.body - sheet.below, TEXT)
    page.text(middle, body[1], x_label, ha="center", va="bottom", fontsize=TEXT)
    page.text(body[0], centre, y_label, ha="left", va="center", rotation=90, fontsize=TEXT)


def _number(value: float, _: int | None = None) -> str:
    return f"{value:,.10g}".replace("-", "−")


def _alike(picture: Picture) -> bool:
    """True where the numbers of all panels are large enough to be seen on one scale."""
    for part in ("at", "value"):
        numbers = [[abs(getattr(row, part)) for row in rows] for rows in picture.panels.values()]
        largest = [max(filter(math.isfinite, column), default=0.0) for column in numbers]
        if any(0 < size < max(largest) / 10 for size in largest):
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Legend:
    """What the categories of colour look like: a name, then the entries in lines and columns."""

    name: str
    indent: float
    entries: Sequence[tuple[str, Artist]]
    columns: int

    @property
    def lines(self) -> int:
        return math.ceil(len(self.entries) / self.columns)

    def put(self, page: Figure, left: float, top: float) -> None:
        """Draw it below and right of a point, in parts of the figure."""
        page.text(left, top, self.name, fontsize=TEXT, va="top", color="#333333")
        legend = page.legend(
            [handle for _, handle in self.entries],
            [text for text, _ in self.entries],
            ncols=self.columns,
            loc="upper left",
            bbox_to_anchor=(left + self.indent / page.get_figwidth(), top),
            borderpad=0.0,
            borderaxespad=0.0,
            frameon=False,
            handlelength=1.8,
            columnspacing=1.4,
        )
        legend.set_in_layout(False)


def _legend(picture: Picture, inside: float) -> _Legend | None:
    """The legend, not wider than the figure's inside; None where there is nothing to tell apart."""
    chart = picture.chart
    if chart.kind == "heatmap" or (chart.colour is None and chart.reference is None):
        return None
    name = "" if chart.colour is None else fit(chart.colour, 1.5, TEXT)
    indent = width(name, TEXT) + 0.2 if name else 0.0
    colours = enumerate(picture.colours if chart.colour is not None else ())
    entries = [(fit(colour, 2.0, TEXT), charts.handle(chart.kind, place)) for place, colour in colours]
    if chart.reference is not None:
        entries.append((f"reference {_number(chart.reference)}", Line2D([], [], **charts.REFERENCE)))
    widths = [width(text, TEXT) + 0.55 for text, _ in entries]
    # As matplotlib fills them: from top to bottom, the first columns one longer where they cannot be even.
    columns = next(
        (n for n in range(len(widths), 1, -1) if sum(map(max, np.array_split(widths, n))) <= inside - indent), 1
    )
    return _Legend(name, indent, entries, columns)


def to_csv(insight: Insight) -> str:
    """The columns that do not quote the data, empty where unknown.

    Text that a spreadsheet would compute gets a leading apostrophe.
    """
    insight = quotes.without(insight, quotes.quoting(insight))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([csv_text.safe(name) for name in insight.columns])
    for row in zip(*insight.columns.values(), strict=True):
        writer.writerow([csv_text.safe(value) if isinstance(value, str) else value for value in row])
    return buffer.getvalue()


def save(insight: Insight, folder: Path) -> list[Path]:
    """Write an insight into a folder, made where missing, as png, svg and csv; without a chart as csv alone.

    Raises:
        RunFolderError: a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be written: {error.strerror}") from None
    paths = []
    if insight.chart is not None:
        with _style():
            page = figure(insight)
            for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
                buffer = io.BytesIO()
                page.savefig(buffer, format=suffix, dpi=DOTS_PER_INCH, metadata=metadata)
                page.set_layout_engine("none")  # where the first left it
                paths.append(folder / f"{insight.name}.{suffix}")
                write_bytes(paths[-1], buffer.getvalue())
    paths.append(folder / f"{insight.name}.csv")
    write_text(paths[-1], to_csv(insight))
    return paths
