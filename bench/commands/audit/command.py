"""``tunebench audit``: compare published tables with a plan of their study."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import options

if TYPE_CHECKING:
    from bench.commands.audit.published import Published
    from bench.commands.audit.result import Audit
    from bench.study.cell import Cell
    from bench.study.request import Request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``audit``."""
    parser.add_argument(
        "tables", help="a .csv, .md or .tex file, a folder with published.toml, or the name of published tables"
    )
    parser.add_argument("--study", help="the study to compare with: a shipped name or a .toml file")
    parser.add_argument(
        "--names", type=Path, metavar="TOML",
        help="file that maps names and columns of a single table to those of the study",
    )  # fmt: skip
    parser.add_argument(
        "--run", dest="run_folder", type=Path, metavar="DIR",
        help="run folder or report, whose numbers are printed beside",
    )  # fmt: skip
    options.add_data_root(parser, "count labels in")
    options.add_plugins(parser)
    parser.add_argument(
        "--within", type=float, default=5.0, metavar="PERCENT", help='difference that counts as "within" (5)'
    )
    options.add_no_memory(parser)
    parser.add_argument(
        "--infer", action="store_true",
        help="infer batch size, precision, attention, dropout, checkpointing and unit from the printed peak memory",
    )  # fmt: skip
    parser.add_argument("--summary", action="store_true", help="print one paragraph; write no files")
    options.add_reports(parser)
    parser.set_defaults(act=audit)


def audit(
    *, tables: str, study: str | None, names: Path | None, run_folder: Path | None, data_root: Path | None,
    plugin_files: Sequence[Path], within: float, with_memory: bool, infer: bool, summary: bool,
    reports: Path,
) -> int:  # fmt: skip
    """Audit published tables and print the findings; returns the exit code."""
    with options.importing():
        from bench.commands.audit.infer.inference import require_peak_memory
        from bench.commands.audit.published import find, load
        from bench.errors import StudyError
        from bench.record.files import require_writable
        from bench.study.request import Request
        from bench.study.study import load_study

    if not summary:
        require_writable(reports)
    published = load(find(tables), names)
    if infer:
        require_peak_memory(published)
    reference = study or published.study
    if reference is None and (infer or not published.source):
        raise StudyError(f"{tables} names no study to compare with; give one with --study")
    if not 0 < within < 100:
        raise StudyError(f"--within must be above 0 and below 100 percent, got {within:g}")
    if reference is None:
        if run_folder is not None:
            raise StudyError(f"{tables} has no study, so a run cannot be compared; leave out --run")
        found, left_out = _without_plan(published, within), list[str]()
    else:
        request = Request(study=load_study(reference), data_root=data_root, plugin_files=plugin_files)
        found, left_out = _audited(published, request, run_folder, within, with_memory, infer)
    _print(found, left_out, None if summary else reports)
    return options.OK


def _audited(
    published: "Published", request: "Request", run_folder: Path | None, within: float, with_memory: bool,
    infer: bool,
) -> tuple["Audit", list[str]]:  # fmt: skip
    """The audit, and one sentence for each row of the run that was left out."""
    with options.importing():
        from bench.commands.audit.checked_peaks import CheckedPeaks
        from bench.commands.audit.infer.progress import infer_with_progress
        from bench.commands.audit.measured import comparable, read_measured
        from bench.commands.audit.result import audit as audit_tables
        from bench.commands.plan import rows_with_progress
        from bench.plan.plan import Plan

    measured = None if run_folder is None else read_measured(run_folder)
    planned = Plan(request.without_baselines, with_memory=False, with_trace=False)
    peaks = CheckedPeaks.of(published, planned.cells) if with_memory else None
    planned.with_memory = peaks or False
    left_out: list[str] = []
    if measured is not None:
        measured, left_out = comparable(measured, planned.cells)
    rows = rows_with_progress(planned)
    if peaks is not None:
        rows = peaks.shared(rows, planned.cells)
    causal = {cell.model.name for cell in planned.cells if cell.model.kind == "causal"}
    found = audit_tables(
        published, rows, _label_counts(planned.cells), measured, planned.flops_at, study=request.study.name,
        causal=causal, within=within / 100,
    )  # fmt: skip
    if infer:
        found = replace(found, inferences=infer_with_progress(published, rows, causal, planned))
    return found, left_out


def _without_plan(published: "Published", within: float) -> "Audit":
    """The audit of tables that no study can plan: only contradictions among the printed numbers are found."""
    from bench.commands.audit.result import audit as audit_tables

    return audit_tables(published, (), {}, study="none", causal=(), within=within / 100)


def _print(found: "Audit", left_out: Sequence[str], reports: Path | None) -> None:
    """Print the summary and inferences; given a folder for reports, also print every finding and write the files."""
    from rich.console import Console

    from bench.commands.audit.render import write
    from bench.commands.audit.result import summary
    from bench.text.display import say

    lines = [summary(found)]
    lines += [f"inferred: {line}" for inference in found.inferences for line in inference.lines()]
    if reports is not None:
        lines += [f"{finding.severity}: {finding.text}" for finding in found.findings]
        lines += [f"not compared: {sentence}" for sentence in (*found.unmatched, *left_out)]
        lines += [f"note: {sentence}" for sentence in found.notes]
        lines += [f"wrote {path}" for path in write(found, reports / f"audit_{found.name}")]
    console = Console()
    for line in lines:
        say(line, console)


def _label_counts(cells: Sequence["Cell"]) -> dict[str, dict[str, int]]:
    """Number of texts per label in each test split: counted if the texts are local, else from the catalog."""
    from collections import Counter

    from bench.data import texts
    from bench.study.datasets import known_label_counts

    counts = {}
    for cell in {cell.dataset.name: cell for cell in cells}.values():
        source = cell.dataset
        known = known_label_counts(source)
        if source.kind != "hub":
            whole = cell.data.model_copy(update={"max_evaluation_samples": None})
            dataset = texts.load(source, whole)
            known = {dataset.labels[label]: n for label, n in sorted(Counter(dataset.splits["test"].labels).items())}
        if known is not None:
            counts[source.name] = known
    return counts
