"""Everything that a report holds, as bytes by file name: nothing but the results settles them."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.report import insights
from bench.report.analysis.stacked import reader
from bench.report.analysis.standings import Judge
from bench.report.charts import study_figures
from bench.report.charts.rows import rows
from bench.report.page import document
from bench.report.results import archive
from bench.report.results.predictions import Predictions
from bench.report.results.run import Results, Run
from bench.report.tables import (
    comparison_table,
    comparisons,
    efficiency,
    latex,
    merged,
    published_table,
    render,
    repeatability,
    table1,
    table2,
    table3,
    table4,
)
from bench.report.tables.comparison_table import Comparisons
from bench.report.tables.table import Table

FORMATS = ("md", "csv", "tex", "html", "png")
#: Kinds of picture by the format that they come with: Markdown shows them as svg.
PICTURES = {"svg": "md", "png": "png"}


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a report; those that its results have something for.

    Attributes:
        by_name: in the order in which they are read.
        judges: of the records of each run.
        comparisons: paired ones, where the study asks for them; each run's own report has them.
    """

    by_name: dict[str, Table]
    judges: tuple[Judge, ...]
    comparisons: Comparisons | None


def tables(results: Results) -> Tables:
    """The tables of the results; of several runs with the machine as a column.

    Raises:
        RunFolderError: a run has no record.
    """
    judges = tuple(map(_judge, results.runs))
    by_run = [_of_run(run, judge, results) for run, judge in zip(results.runs, judges, strict=True)]
    found = {}
    for name in dict.fromkeys(name for of_run in by_run for name in of_run):
        labelled = zip(results.labels(), by_run, strict=True)
        found[name] = merged.merged([(label, of_run[name]) for label, of_run in labelled if name in of_run])
    alone = results.runs[0] if len(results.runs) == 1 else None
    return Tables(found, judges, None if alone is None else comparison_table.build(alone.study, alone.cells))


def _judge(run: Run) -> Judge:
    """Of the records of a run; it resamples their texts once for all tables."""
    read = any(isinstance(cell.evidence.predictions, Predictions) for cell in run.cells)
    return Judge(run.records, reader(run.cells) if read else None)


def _of_run(run: Run, judge: Judge, results: Results) -> dict[str, Table]:
    """The tables of one run, by name."""
    title, records, source = run.title, run.records, results.source
    remarks = [run.study["notes"], f"Measured by: {run.command}"]
    if run.unread:
        remarks.append(f"Left out, for their records cannot be read: {', '.join(run.unread)}")
    built = (
        table1.build(title, records, source=source),
        table2.build(title, records, judge, source=source),
        table3.build(title, records, run.not_run, remarks, judge, source=source),
        table4.build(title, records, judge, source=source),
        efficiency.build(title, records, source=source),
        repeatability.build(title, records, source=source),
        published_table.build(run, results.published, judge, source=source),
    )
    return {table.name: table for table in built if table is not None}


def files(results: Results, drawn: Tables, formats: Collection[str]) -> dict[str, bytes]:
    """The files of a report by their names in its folder; the archive is always among them.

    Args:
        results: that are drawn.
        drawn: their tables.
        formats: some of FORMATS.
    """
    found: dict[str, bytes] = {}
    pictures = [kind for kind, format_ in PICTURES.items() if format_ in formats]
    for table in drawn.by_name.values():
        found |= render.files(table, formats)
    if "tex" in formats:
        found["tables.tex"] = latex.document(drawn.by_name.values()).encode()
    if drawn.comparisons is not None:
        found |= comparisons.files(drawn.comparisons, formats)
    found_rows = rows(results, drawn.judges) if pictures or "html" in formats else []
    with ThreadPoolExecutor(1) as aside:
        if "html" in formats:
            aside.submit(document.vega)  # which is kept, and made on another core than the pictures
        if "md" in formats:
            found |= insights.files(results, pictures)
        if pictures:
            found |= study_figures.files(found_rows, results.sha256, pictures)
    if "html" in formats:
        page = document.build(results, drawn.by_name, drawn.judges, found_rows, found)
        found["report.html"] = page.encode()
    return found | {name: text.encode() for name, text in archive.texts(results).items()}


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """The formats that names stand for, ``all`` among them, in the order of FORMATS."""
    return tuple(one for one in FORMATS if one in names or "all" in names)
