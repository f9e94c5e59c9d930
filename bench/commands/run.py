"""``tunebench run``: measure a study, then write its report."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bench.commands import options
from bench.commands.report import draw


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``run``."""
    options.add_study(parser)
    options.add_data_root(parser)
    options.add_plugins(parser)
    options.add_runs(parser)
    options.add_report_options(parser)
    parser.add_argument(
        "--retry", choices=("oom",),
        help="oom: run cells that ran out of memory again, at a batch size predicted to fit",
    )  # fmt: skip
    parser.set_defaults(act=run)


def run(
    *, study: str, only: Sequence[str], scale: Literal["tiny"] | None, data_root: Path | None,
    plugin_files: Sequence[Path], runs: Path, reports: Path, formats: Sequence[str] | None, log: Sequence[str],
    wide: bool, retry: Literal["oom"] | None,
) -> int:  # fmt: skip
    """Measure every cell without a record; returns the exit code."""
    from bench.errors import StoppedError
    from bench.record.files import require_writable
    from bench.report.console import PatientConsole
    from bench.report.export import parse_target
    from bench.run.executor import LocalExecutor
    from bench.run.progress import ProgressDisplay
    from bench.run.run import run as run_study
    from bench.study.request import Request, parse_only
    from bench.study.study import load_study

    request = Request(
        study=load_study(study), data_root=data_root, plugin_files=plugin_files, only=parse_only(only), scale=scale
    )
    folder, report = runs / request.study.name, reports / request.study.name
    targets = [parse_target(text) for text in log]
    require_writable(report)
    try:
        with ProgressDisplay(PatientConsole()) as display:
            records = run_study(request, folder, LocalExecutor, display, retry_oom=retry is not None)
    except StoppedError as stopped:
        _draw_rest(stopped, folder, reports, formats, wide)
        raise
    draw([folder], reports, formats, targets, wide=wide, again=False)
    return options.OK if all(record.status == "ok" for record in records) else options.CELLS_FAILED


def _draw_rest(stopped: Exception, folder: Path, reports: Path, formats: Sequence[str] | None, wide: bool) -> None:
    """Report the cells that were finished before the study stopped, if that is possible."""
    from bench.errors import RunFolderError
    from bench.report.console import PatientConsole
    from bench.report.draw import draw as draw_report

    try:
        draw_report([folder], reports, PatientConsole(), formats or ["all"], wide=wide)
    except (RunFolderError, OSError) as error:
        stopped.args = (f"{stopped}\n{error}",)
