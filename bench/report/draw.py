"""A report: on the terminal and as files."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.published import load_shipped
from bench.report import closing, contents, manifest
from bench.report.results.load import load
from bench.report.results.run import Results
from bench.report.tables import comparisons, terminal


def draw(paths: Sequence[Path], reports: Path, console: Console, formats: Sequence[str] = ("all",)) -> Results:
    """Print Table 3 of run folders or reports, and its comparisons if any; write these and the rest to a folder.

    Args:
        paths: run folders or reports, one or more; of several the machine is a column.
        reports: where the report's folder goes, which has the study's name.
        console: to print on.
        formats: that are written: some of ``contents.FORMATS``, or ``all``.

    Returns:
        What was drawn.

    Raises:
        RunFolderError: no run folder, no finished cell, or files that a newer tunebench wrote.
    """

    def warn(text: str) -> None:
        console.print(f"warning: {text}", highlight=False, markup=False, soft_wrap=True)

    results = load(paths, warn, load_shipped(warn))
    drawn = contents.tables(results)
    terminal.show(drawn.by_name["table3"], console)
    if drawn.comparisons is not None:
        comparisons.show(drawn.comparisons, console)
    target = reports / results.name
    wanted = contents.chosen(formats)
    written = manifest.write(contents.files(results, drawn, wanted), results.sha256, wanted, target)
    closing.show(results, written, target, console)
    return results
