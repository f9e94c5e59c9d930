"""Drawing a report: on the terminal and as files."""

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

#: Files that are drawn from evidence.
NOT_OF_RECORDS = (*(f"comparisons.{suffix}" for suffix in ("md", "csv", "tex")), "insights.md")


def draw(
    paths: Sequence[Path], reports: Path, console: Console, formats: Sequence[str] = ("all",), *, wide: bool = False,
    again: bool = True,
) -> Results:  # fmt: skip
    """Print a summary of run folders or reports; write tables, figures and a page to a folder.

    Args:
        paths: one or more run folders or reports; with several, the machine is a column.
        reports: parent of the report's folder, which has the study's name.
        console: output console.
        formats: some of ``contents.FORMATS``, or ``all``.
        wide: whether to print every column of Table 3 with its notes, and the comparisons if any.
        again: whether to draw even if the folder already holds these formats of these records.

    Returns:
        The results that were drawn.

    Raises:
        RunFolderError: no run folder, no finished cell, files of a newer tunebench, or a report in the folder that its
            own records cannot reproduce.
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
    """Refuse to draw a report over itself if it lacks the evidence that it was drawn from.

    Raises:
        RunFolderError: it was drawn from predictions and insights, but keeps none.
    """
    lost = [name for name in NOT_OF_RECORDS if (target / name).exists()]
    if lost and any(path.resolve() == target.resolve() for path in paths) and not (target / archive.EVIDENCE).exists():
        raise RunFolderError(
            f"{target} keeps no {archive.EVIDENCE}, without which {' and '.join(lost)} cannot be drawn again; give "
            "--reports another folder"
        )
