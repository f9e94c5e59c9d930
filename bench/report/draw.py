"""A report: on the terminal and as files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bench.errors import RunFolderError
from bench.report import contents, manifest, summary
from bench.report.console import warn_on
from bench.report.results import archive
from bench.report.results.load import load
from bench.report.results.run import Results
from bench.report.tables import comparisons
from bench.report.tables.table import Table
from bench.text.tables import terminal

#: Drawn from what stands beside the records.
NOT_OF_RECORDS = (*(f"comparisons.{suffix}" for suffix in ("md", "csv", "tex")), "insights.md")


def draw(
    paths: Sequence[Path],
    reports: Path,
    console: Console,
    formats: Sequence[str] = ("all",),
    *,
    wide: bool = False,
    again: bool = True,
) -> Results:
    """Print a summary of run folders or reports; write tables, figures and a page to a folder.

    Args:
        paths: run folders or reports, one or more; of several the machine is a column.
        reports: where the report's folder goes, which has the study's name.
        console: to print on.
        formats: that are written: some of ``contents.FORMATS``, or ``all``.
        wide: print every column of Table 3 with its notes, and the comparisons if any.
        again: draw also where the folder holds these formats of these records already.

    Returns:
        What was drawn.

    Raises:
        RunFolderError: no run folder, no finished cell, or files that a newer tunebench wrote; or the
            folder holds what the records cannot give again.
    """
    results = load(paths, warn_on(console))
    target = reports / results.name
    _require_no_less(paths, target)
    wanted = contents.chosen(formats)
    written: list[Path] = []
    if again or wide or not manifest.is_current(target, archive.texts(results), results.sha256, wanted):
        drawn = contents.build(results, wanted, (lambda tables: _show(tables, console)) if wide else None)
        written = manifest.write(drawn.files, results.sha256, wanted, target)
    summary.show(results, written, target, console, grid=not wide)
    return results


def _show(tables: Mapping[str, Table], console: Console) -> None:
    terminal.show(tables["table3"], console)
    if compared := tables.get(comparisons.NAME):
        terminal.show(comparisons.brief(compared), console)


def _require_no_less(paths: Sequence[Path], target: Path) -> None:
    """Stop before a report is drawn over itself that its own records cannot give again.

    Raises:
        RunFolderError: it was drawn from predictions and insights, and keeps none.
    """
    lost = [name for name in NOT_OF_RECORDS if (target / name).exists()]
    if lost and any(path.resolve() == target.resolve() for path in paths) and not (target / archive.EVIDENCE).exists():
        raise RunFolderError(
            f"{target} keeps no {archive.EVIDENCE}, without which {' and '.join(lost)} cannot be drawn again; give "
            "--reports another folder"
        )
