"""The page of a report: a self-contained HTML file; the same records give the same bytes."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.report.analysis.f1_significance import F1Significance
from bench.report.charts.rows import ReportRow
from bench.report.page import budgets, cells, charts, overview, shown, targets
from bench.report.page.embed import clean_text, json_in_html, policy
from bench.report.results.run import Results
from bench.report.tables.table import Table
from bench.text.tables import fragment
from bench.text.tables.files import files as files_of

FOLDER = Path(__file__).parent
TEMPLATE = "page.html.jinja"
#: Parts of the page's script, in order.
SCRIPTS = ("dom.js", "overview.js", "figure.js", "charts.js", "budgets.js", "cell.js", "main.js")
COPIES = {"md": "Markdown", "tex": "LaTeX", "csv": "CSV"}
#: Headings of known tables; other tables have their title as heading.
NAMES = {
    "table1": "Table 1: data and settings", "table2": "Table 2: quality", "table3": "Table 3: quality and resources",
    "table4": "Table 4: variants of one method", "efficiency": "Efficiency", "search": "Search of the options",
    "repeatability": "Repeatability", "comparisons": "Paired comparisons",
}  # fmt: skip


class Section(NamedTuple):
    """An entry of the table of contents.

    Attributes:
        id: HTML id of the section.
        name: text of the link.
        scripted: whether a script draws the section.
    """

    id: str
    name: str
    scripted: bool = False


def build(
    results: Results, tables: Mapping[str, Table], significances: Sequence[F1Significance], found: Sequence[ReportRow],
    script: str, files: Mapping[str, bytes] | None = None,
) -> str:  # fmt: skip
    """The page as HTML.

    Args:
        results: results to draw.
        tables: tables by name, in reading order.
        significances: F1 significance of each run.
        found: rows of the page, see ``charts.rows``.
        script: script that draws charts, see ``charts.figure``.
        files: table files by name, if already written.
    """
    content = _content(results, tables, significances, found, files or {})
    scripts = {"theme": _text("theme.js"), "vega": script, "page": "".join(map(_text, SCRIPTS))}
    style = _text("style.css")
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            policy=policy(scripts.values(), [style]), style=Markup(style),
            scripts={name: Markup(text) for name, text in scripts.items()}, **content,
        )
    )  # fmt: skip


def _content(
    results: Results, tables: Mapping[str, Table], significances: Sequence[F1Significance], found: Sequence[ReportRow],
    files: Mapping[str, bytes],
) -> dict[str, Any]:  # fmt: skip
    """Variables of the template by name."""
    insights, specs = shown.embedded(found)
    drawn = charts.embedded(found, specs)
    data = {
        "rows": overview.embedded(results, found), "heads": overview.heads_of_cells(results),
        "cells": cells.embedded(results, found), "budgets": budgets.embedded(found, significances),
        "targets": targets.embedded(found), "charts": drawn,
        "copies": {table.name: _texts(table, files) for table in tables.values()},
    }  # fmt: skip
    titles = [(name, title) for name, title in charts.TITLES.items() if drawn[name] is not None]
    return {
        "data": {name: json_in_html(value) for name, value in data.items()},
        "contents": _contents(list(tables.values()), bool(insights), bool(titles)),
        "tables": list(map(_table, tables.values())), "copies": COPIES, "charts": titles,
        "captions": {"budgets": budgets.CAPTION, "targets": targets.CAPTION}, "insights": insights,
        **overview.head(results), **overview.table(results, found),
    }  # fmt: skip


def _contents(tables: Sequence[Table], insights: bool, charts_drawn: bool) -> list[Section]:
    return [
        Section("overview", "Overview"),
        *([Section("charts", "Charts", True)] if charts_drawn else []),
        Section("budgets", "Within a budget", True),
        *(Section(table.name, _name(table).split(":")[0]) for table in tables),
        *([Section("insights", "Insights")] if insights else []),
    ]


def _name(table: Table) -> str:
    return NAMES.get(table.name, table.title)


def _table(table: Table) -> dict[str, Any]:
    """Name, heading and HTML of a table, with each grid in its own scrolling box."""
    box = f'<div class="box" role="group" aria-label="{table.name}, scrolls" tabindex="0">'
    # Texts in the fragment are escaped, so only real table tags match.
    html = fragment.to_html(table).replace("<table", f"{box}<table").replace("</table>", "</table></div>")
    return {"name": table.name, "head": _name(table), "html": Markup(html)}


def _texts(table: Table, files: Mapping[str, bytes]) -> dict[str, str]:
    """The texts of the table's files by suffix."""
    names = {suffix: f"{table.name}.{suffix}" for suffix in COPIES}
    missing = [suffix for suffix, name in names.items() if name not in files]
    known = {**files, **files_of(table, missing)}
    return {suffix: known[name].decode() for suffix, name in names.items()}


@cache
def _environment() -> Environment:
    def cleaned(value: Any) -> Any:
        return clean_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    return Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=cleaned,
    )  # fmt: skip


@cache
def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
