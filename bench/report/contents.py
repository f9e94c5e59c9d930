"""Everything that a report holds, as bytes by file name; it depends only on the results."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from bench.report import insights
from bench.report.analysis import f1_significance, search_budgets
from bench.report.analysis.f1_significance import F1Significance
from bench.report.charts import study_figures
from bench.report.charts.figures import Figures
from bench.report.charts.rows import rows
from bench.report.page import document
from bench.report.results import archive
from bench.report.results.run import Results, Run
from bench.report.tables import comparisons, efficiency, merged, repeatability, search, table1, table2, table3, table4
from bench.report.tables.table import Table
from bench.text.tables import latex
from bench.text.tables.files import files as files_of

FORMATS = ("md", "csv", "tex", "html", "png")
#: Format of the report that each kind of figure belongs to; Markdown shows svg.
FIGURE_KINDS = {"svg": "md", "png": "png"}


Show = Callable[[Mapping[str, Table]], None]


@dataclass(frozen=True, slots=True)
class Contents:
    """Tables and files of a report.

    Attributes:
        tables: tables by name, in reading order, without empty ones.
        files: contents by file name; the archive is always among them.
    """

    tables: dict[str, Table]
    files: dict[str, bytes]


def build(results: Results, formats: Collection[str], show: Show | None = None) -> Contents:
    """Build all files of a report.

    Args:
        results: results of one or several runs.
        formats: some of FORMATS.
        show: callback for the tables, called before figures are drawn, which takes longer.

    Raises:
        RunFolderError: a run has no record.
    """
    files: dict[str, bytes] = {}
    kinds = [kind for kind, format_ in FIGURE_KINDS.items() if format_ in formats]
    with Figures(kinds, page="html" in formats) as figures:
        if kinds or "csv" in formats:  # first: other processes draw these figures meanwhile
            shown = insights.files(results, figures)
            files |= {name: content for name, content in shown.items() if _wanted(name, formats)}
        significances = tuple(map(f1_significance.of_run, results.runs))
        tables = _tables(results, significances)
        if show is not None:
            show(tables)
        found_rows = rows(results, significances)
        if kinds:
            study_figures.add(found_rows, results.sha256, figures)
        if "csv" in formats:
            files |= study_figures.data(found_rows)
        for table in tables.values():
            files |= files_of(table, formats)
        if "tex" in formats:
            files["tables.tex"] = latex.document(tables.values()).encode()
        if "html" in formats:
            page = document.build(results, tables, significances, found_rows, figures.script(), files)
            files["report.html"] = page.encode()
        files |= figures.files()
    return Contents(tables, files | {name: text.encode() for name, text in archive.texts(results).items()})


def _wanted(name: str, formats: Collection[str]) -> bool:
    """Whether a file of insights is wanted; the Markdown index links to the csv files."""
    return "md" in formats or (name.endswith(".csv") and "csv" in formats)


def _tables(results: Results, significances: Sequence[F1Significance]) -> dict[str, Table]:
    """The tables of the results; several runs are merged, with the machine as a column."""
    by_run = [
        _of_run(run, significance, results) for run, significance in zip(results.runs, significances, strict=True)
    ]
    if len(by_run) == 1:
        return by_run[0]
    found = {}
    for name in dict.fromkeys(name for of_run in by_run for name in of_run):
        labelled = zip(results.labels(), by_run, strict=True)
        found[name] = merged.merged([(label, of_run[name]) for label, of_run in labelled if name in of_run])
    return found


def _of_run(run: Run, significance: F1Significance, results: Results) -> dict[str, Table]:
    """The tables of one run, by name."""
    title, records, source = run.title, run.records, results.source
    remarks = [*search_budgets.unequal([cell.record for cell in results.cells]), run.study.get("notes", "")]
    remarks.append(f"Measured by: {run.command}")
    if run.unread:
        remarks.append(f"Left out, for their records cannot be read: {', '.join(run.unread)}")
    others = results.others(run)
    built = (
        table1.build(title, records, source=source),
        table2.build(title, records, significance, source=source, others=others),
        table3.build(title, records, run.not_run, remarks, significance, source=source, others=others),
        table4.build(title, records, significance, source=source, others=others),
        efficiency.build(title, records, source=source, others=others),
        search.build(title, records, source=source, others=others),
        repeatability.build(title, records, source=source, others=others),
        comparisons.build(run.study, run.cells, source=source, others=others),
    )
    return {table.name: table for table in built if table is not None}


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """The formats that are named, in the order of FORMATS; ``all`` names every one."""
    return tuple(one for one in FORMATS if one in names or "all" in names)
