"""Insights of methods: figures and tables in a report's folder, and their index."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.method.insight import Insight
from bench.report.analysis.names import NAMES, NOT_A_SETTING, apart, flat, labels
from bench.report.charts import insight_chart
from bench.report.charts.figures import Figures
from bench.report.results.measured import Measured, Shown, by_row
from bench.report.results.run import Results, told_apart
from bench.report.tables import insight_table
from bench.study.cell import Cell, slug
from bench.text.tables import markdown
from bench.text.tables.csv_text import csv_lines

FOLDER, INDEX = "insights", "insights.md"
LONGEST_TEXT = 2000
#: Maximum number of rows of a figure that a report also has as csv.
MOST_ROWS = 500
INTRODUCTION = "One seed per row: the first with insights."


class _InsightRow(NamedTuple):
    """The cell of a row that has insights, and the machine of its run if there are several runs."""

    cell: Measured
    machine: str

    @property
    def source(self) -> Cell:
        return self.cell.record.cell


def files(results: Results, figures: Figures) -> dict[str, bytes]:
    """The index ``insights.md`` and the csv files below ``insights/``; empty without insights.

    The index names insights that cannot be read. Columns that quote the data are left out.

    Args:
        results: results of the report.
        figures: figures of the report, to which the charts are added.
    """
    rows = _rows(results)
    if not rows:
        return {}
    lines, numbers = ["# Insights", INTRODUCTION], itertools.count(1)
    found: dict[str, bytes] = {}
    for row, place, head in zip(rows, _places(rows), _heads(rows), strict=True):
        lines += head
        for shown in row.cell.evidence.shown:
            path = f"{FOLDER}/{place}/{shown.part.name}"
            if shown.part.chart is not None:
                figures.add(insight_chart.spec(shown.part), path)
            if not _is_bulk(shown.part):
                found[f"{path}.csv"] = to_csv(shown.part).encode()
            lines += _shown(shown.part, path, next(numbers), "png" in figures.kinds)
            lines += _left_out(shown)
    lines += [results.source] if results.source else []
    return found | {INDEX: ("\n\n".join(lines) + "\n").encode()}


def _rows(results: Results) -> list[_InsightRow]:
    """The rows with insights, readable or not."""
    labels = results.labels() if len(results.runs) > 1 else [""]
    return [
        _InsightRow(cell, label)
        for run, label in zip(results.runs, labels, strict=True)
        for row in by_row(run.cells)
        for cell in row
        if cell.evidence.shown or cell.evidence.troubles
    ]


def _places(rows: Sequence[_InsightRow]) -> list[str]:
    """A folder name for each row, with a hash of its settings or a number if other rows have the same names."""
    names = ["__".join(slug(getattr(row.source, part).name) for part in NAMES) for row in rows]
    longer = [f"{name}-{row.source.row_id.rsplit('-', 1)[1]}" for name, row in zip(names, rows, strict=True)]
    numbered = [f"{name}-{number}" for number, name in enumerate(longer, start=1)]
    return told_apart(told_apart(names, longer), numbered)


def _heads(rows: Sequence[_InsightRow]) -> Iterator[list[str]]:
    """Heading, seed, settings, warnings and errors of each row."""
    cells = [row.source for row in rows]
    keys = [
        (*labels(cell, cells).values(), *filter(None, [row.machine])) for cell, row in zip(cells, rows, strict=True)
    ]
    facts = [flat(cell.model_dump(exclude=NOT_A_SETTING)) for cell in cells]
    for at, row in enumerate(rows):
        own = apart(at, keys, facts)
        seed = f"Seed {cells[at].seed}" if row.cell.evidence.shown else "Nothing could be read"
        settings = f"; differs from the row of the same name in: {_markdown(own)}" if own else ""
        yield [
            f"## {' / '.join(map(_markdown, keys[at]))}",
            f"{seed}{settings}.",
            *(f"Warning: {_markdown(text)}" for text in row.cell.record.warnings),
            *(f"Not shown: {_markdown(text)}" for text in row.cell.evidence.troubles),
        ]


def _is_bulk(part: Insight) -> bool:
    """Whether a figure has too many numbers for a report; the cell's folder has them."""
    return part.chart is not None and len(part.columns[part.chart.x]) > MOST_ROWS


def _shown(part: Insight, path: str, number: int, png: bool) -> list[str]:
    """One insight in the index: its figure or the first rows of its table, then its caption."""
    title, caption = _markdown(part.title), _markdown(part.caption)
    if part.chart is not None:
        data = (
            f"{len(part.columns[part.chart.x])} rows, in the cell's insights.json"
            if _is_bulk(part)
            else f"[csv]({path}.csv)"
        )
        files = data + (f", [png]({path}.png)" if png else "")
        return [f"![{title}]({path}.svg)", f"Figure {number}: {title}. {caption} ({files})"]
    lines = [f"Table {number}: {title}. {caption} ([csv]({path}.csv))"]
    return [*_table(part), *lines]


def _left_out(shown: Shown) -> list[str]:
    """The paragraph on columns that must not be shown."""
    said = insight_table.left_out(shown)
    where = ["The cell's insights.json in the run folder has all."] if shown.left_out else []
    return [_markdown(" ".join(said + where))] if said else []


def _table(part: Insight) -> list[str]:
    heads, rows, cut = insight_table.beginning(part)
    if not heads:
        return []
    lines = [list(map(_markdown, line)) for line in (heads, *rows)]
    grid = markdown.grid(lines[0], lines[1:], ["left"] * len(heads))
    return [grid, cut] if cut else [grid]


def _markdown(text: str) -> str:
    return markdown.escape(text, LONGEST_TEXT)


def to_csv(insight: Insight) -> str:
    """The columns that do not quote the data, as csv; unknown values are empty fields."""
    columns = Shown.of(insight).part.columns
    return csv_lines(list(columns), zip(*columns.values(), strict=True))
