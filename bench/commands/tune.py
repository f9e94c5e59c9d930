"""``tunebench tune``: only search the settings of a study, and print the best ones as a study file."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bench.commands import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``tune``."""
    options.add_study(parser)
    options.add_data_root(parser)
    options.add_plugins(parser)
    options.add_runs(parser)
    parser.set_defaults(act=tune)


def tune(
    *, study: str, only: Sequence[str], scale: Literal["tiny"] | None, data_root: Path | None,
    plugin_files: Sequence[Path], runs: Path,
) -> int:  # fmt: skip
    """Run the trials that are missing, and print a study file with the best settings; returns the exit code."""
    import tomli_w

    from bench.report.console import PatientConsole
    from bench.run.executor import LocalExecutor
    from bench.run.progress import ProgressDisplay
    from bench.run.run import tune as tune_study
    from bench.study.request import Request, parse_only
    from bench.study.study import load_study
    from bench.study.tuned_study import tuned_study

    request = Request(
        study=load_study(study), data_root=data_root, plugin_files=plugin_files, only=parse_only(only), scale=scale
    )
    with ProgressDisplay(PatientConsole(stderr=True)) as display:
        found = tune_study(request, runs / request.study.name, LocalExecutor, display)
    print(tomli_w.dumps(tuned_study(request.study, [cell for cell, _ in found])), end="")
    failed = [tuning for _, tuning in found if tuning is not None and tuning.best is None]
    return options.CELLS_FAILED if failed else options.OK
