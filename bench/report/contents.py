"""Everything that a report holds, as bytes by file name: nothing but the results settles them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from bench.report import insights
from bench.report.analysis.f1_significance import F1Significance
from bench.report.analysis.stacked import reader
from bench.report.charts import study_figures
from bench.report.charts.figures import Figures
from bench.report.charts.rows import rows
from bench.report.page import document
from bench.report.results import archive
from bench.report.results.predictions import Predictions
from bench.report.results.run import Results, Run
from bench.report.tables import (
    comparisons,
    efficiency,
    merged,
    repeatability,
    table1,
    table2,
    table3,
    table4,
)
from bench.report.tables.table import Table
from bench.study.cell import Cell
from bench.text.tables import latex
from bench.text.tables.files import files as files_of

FORMATS = ("md", "csv", "tex", "html", "png")
#: Kinds of figure by the format that they come with: Markdown shows them as svg.
FIGURE_KINDS = {"svg": "md", "png": "png"}


class Beside(TypedDict):
    """What tables are told of what stands beside their records."""

    source: str
    others: list[Cell]


Show = Callable[[Mapping[str, Table]], None]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report holds.

    Attributes:
        tables: by name, in the order in which they are read; those that its results have something for.
        files: by their names in its folder; the archive is always among them.
    """

    tables: dict[str, Table]
    files: dict[str, bytes]


def build(results: Results, formats: Collection[str], show: Show | None = None) -> Contents:
    """Draw everything.

    Args:
        results: that are drawn.
        formats: some of FORMATS.
        show: is given the tables as soon as they are known, for figures take longer.

    Raises:
        RunFolderError: a run has no record.
    """
    files: dict[str, bytes] = {}
    kinds = [kind for kind, format_ in FIGURE_KINDS.items() if format_ in formats]
    with Figures(kinds, page="html" in formats) as figures:
        if kinds or "csv" in formats:  # first, so that they are drawn while the rest is computed
            shown = insights.files(results, figures)
            files |= {name: content for name, content in shown.items() if _wanted(name, formats)}
        judges = tuple(map(_judge, results.runs))
        tables = _tables(results, judges)
        if show is not None:
            show(tables)
        found_rows = rows(results, judges) if kinds or "html" in formats else []
        if kinds:
            study_figures.add(found_rows, results.sha256, figures)
        for table in tables.values():
            files |= files_of(table, formats)
        if "tex" in formats:
            files["tables.tex"] = latex.document(tables.values()).encode()
        if "html" in formats:
            page = document.build(results, tables, judges, found_rows, figures.script(), files)
            files["report.html"] = page.encode()
        files |= figures.files()
    return Contents(tables, files | {name: text.encode() for name, text in archive.texts(results).items()})


def _wanted(name: str, formats: Collection[str]) -> bool:
    """Whether a file of insights is: the index names the numbers."""
    return "md" in formats or (name.endswith(".csv") and "csv" in formats)


def _tables(results: Results, judges: Sequence[F1Significance]) -> dict[str, Table]:
    """The tables of the results; of several runs with the machine as a column."""
    by_run = [_of_run(run, judge, results) for run, judge in zip(results.runs, judges, strict=True)]
    if len(by_run) == 1:
        return by_run[0]
    found = {}
    for name in dict.fromkeys(name for of_run in by_run for name in of_run):
        labelled = zip(results.labels(), by_run, strict=True)
        found[name] = merged.merged([(label, of_run[name]) for label, of_run in labelled if name in of_run])
    return found


def _judge(run: Run) -> F1Significance:
    """Of the records of a run; it resamples their texts once for all tables."""
    read = any(isinstance(cell.evidence.predictions, Predictions) for cell in run.cells)
    return F1Significance(run.records, reader(run.cells) if read else None)


def _of_run(run: Run, judge: F1Significance, results: Results) -> dict[str, Table]:
    """The tables of one run, by name."""
    title, records, source = run.title, run.records, results.source
    remarks = [run.study.get("notes", ""), f"Measured by: {run.command}"]
    if run.unread:
        remarks.append(f"Left out, for their records cannot be read: {', '.join(run.unread)}")
    beside: Beside = {"source": source, "others": results.others(run)}
    built = (
        table1.build(title, records, source=source),
        table2.build(title, records, judge, **beside),
        table3.build(title, records, run.not_run, remarks, judge, **beside),
        table4.build(title, records, judge, **beside),
        efficiency.build(title, records, **beside),
        repeatability.build(title, records, **beside),
        comparisons.build(run.study, run.cells, **beside),
    )
    return {table.name: table for table in built if table is not None}


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """The formats that names stand for, ``all`` among them, in the order of FORMATS."""
    return tuple(one for one in FORMATS if one in names or "all" in names)
