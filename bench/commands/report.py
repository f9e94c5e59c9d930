"""``tunebench report``: write a report from run folders or reports, or verify one."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import options

if TYPE_CHECKING:
    from bench.report.export import Target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``report``."""
    parser.add_argument(
        "runs", type=Path, nargs="*", metavar="RUN",
        help="runs/<study> or a report; several are distinguished by a machine column",
    )  # fmt: skip
    options.add_report_options(parser)
    parser.add_argument(
        "--verify", type=Path, metavar="DIR", help="write a report again from its own records and compare every byte"
    )
    parser.set_defaults(act=report)


def report(
    *, runs: Sequence[Path], reports: Path, formats: Sequence[str] | None, log: Sequence[str], wide: bool,
    verify: Path | None,
) -> int:  # fmt: skip
    """Write or verify a report; returns the exit code."""
    from bench.errors import RequestError
    from bench.record.files import require_writable
    from bench.report.export import parse_target

    if verify is not None:
        if runs:
            raise RequestError("--verify takes a report and no run folder: tunebench report --verify reports/<study>")
        if formats or log:
            raise RequestError("--verify uses the report's own formats and logs nothing; leave --format and --log out")
        return _verify(verify)
    if not runs:
        raise RequestError("name a run folder or a report, e.g. runs/demo, or give --verify DIR")
    targets = [parse_target(text) for text in log]
    require_writable(reports)
    draw(runs, reports, formats, targets, wide=wide)
    return options.OK


def draw(
    paths: Sequence[Path], reports: Path, formats: Sequence[str] | None, targets: Sequence["Target"], *, wide: bool,
    again: bool = True,
) -> None:  # fmt: skip
    """Write a report, the model cards of kept artifacts, and the cells' entries in the given logs.

    Args:
        paths: run folders or reports.
        reports: folder for the files.
        formats: formats to write; None: all.
        targets: logs to write the cells to.
        wide: whether every column is printed.
        again: see ``bench.report.draw.draw``.

    Raises:
        RequestError: a log could not be written; everything else has been written.
    """
    from bench.errors import RequestError, TunebenchError
    from bench.report import draw as drawing
    from bench.report.console import PatientConsole, warn_on
    from bench.report.export import cards, export

    console = PatientConsole()
    results = drawing.draw(paths, reports, console, formats or ["all"], wide=wide, again=again)
    for path in paths:
        cards.write(path, results, warn_on(console))
    troubles = []
    for target in targets:
        try:
            export(results, target, console)
        except TunebenchError as error:
            troubles.append(str(error))
    if troubles:
        raise RequestError("; ".join(troubles))


def _verify(folder: Path) -> int:
    """Print whether the files of a report match its own records."""
    from rich.console import Console

    from bench.report.verify import verify
    from bench.text.display import say

    console = Console()
    compared, wrong = verify(folder)
    for sentence in wrong or [f"all {compared} files match its records, byte by byte"]:
        say(f"{folder}: {sentence}", console)
    return options.CELLS_FAILED if wrong else options.OK
