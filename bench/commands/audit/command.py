"""The audit that was asked for: tables read, the study planned, both compared, findings printed and written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.commands.audit import Audit, audit, find, load, read_measured, summary, write
from bench.commands.audit.measured import comparable
from bench.commands.plan import show_progress
from bench.data import texts
from bench.errors import StudyError
from bench.plan.rows import Plan, PlanRequest
from bench.study.cell import Cell
from bench.study.datasets import known_label_counts
from bench.study.study import load_study, study_base


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """What the command line says.

    Attributes:
        tables: a csv file, a folder with published.toml, or a name.
        study: name or path of the study to plan; absent: the one that the tables name.
        names: a toml file that maps the names of a csv file to those of the study.
        run_folder: a run of the study, whose measured numbers stand beside.
        data_root: see ``resolve_dataset``; labels are counted there.
        plugin_files: files named with ``--plugin``.
        with_memory: whether peaks are predicted, which takes most of the time.
        threshold_percent: relative difference up to which a number is "within".
        reports: folder that the files go into, each audit in one of its own; None: one paragraph and no files.
    """

    tables: str
    study: str | None = None
    names: Path | None = None
    run_folder: Path | None = None
    data_root: Path | None = None
    plugin_files: Sequence[Path] = ()
    with_memory: bool = True
    threshold_percent: float = 5.0
    reports: Path | None = None


def run_audit(options: AuditOptions, console: Console) -> Audit:
    """Audit published tables and say what was found.

    Raises:
        RequestError: tables, study or run folder cannot be read; the message says where and why.
    """
    published = load(find(options.tables), options.names)
    reference = options.study or published.study
    if reference is None:
        raise StudyError(f"{options.tables} names no study to compare with; give one with --study")
    if not 0 < options.threshold_percent < 100:
        raise StudyError(f"--within must be above 0 and below 100 percent, got {options.threshold_percent:g}")
    measured = None if options.run_folder is None else read_measured(options.run_folder)
    study = load_study(reference)
    request = PlanRequest(
        study=study, base=study_base(reference), data_root=options.data_root, plugin_files=options.plugin_files,
        with_memory=options.with_memory,
    )  # fmt: skip
    planned = Plan(request)
    left_out: list[str] = []
    if measured is not None:
        measured, left_out = comparable(measured, planned.cells)
    found = audit(
        published, show_progress(planned), _label_counts(planned.cells), measured, planned.flops_at,
        study=study.name, causal={cell.model.name for cell in planned.cells if cell.model.kind == "causal"},
        threshold=options.threshold_percent / 100,
    )  # fmt: skip
    _say(console, summary(found))
    if options.reports is not None:
        for finding in found.findings:
            _say(console, f"{finding.severity}: {finding.text}")
        for sentence in (*found.unmatched, *left_out):
            _say(console, f"not compared: {sentence}")
        for path in write(found, options.reports / f"audit_{found.name}"):
            _say(console, f"wrote {path}")
    return found


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def _label_counts(cells: Sequence[Cell]) -> dict[str, dict[str, int]]:
    """Texts of each test split by label: counted where the texts are at hand, else as the catalog has them."""
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
