"""``tunebench check``: hold methods to the plugin contract."""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bench.commands import options

if TYPE_CHECKING:
    from bench.run.executor import Executor


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """The arguments of ``check``."""
    verb.description = "Exit code 0 if every check passes, 1 if some fail, 2 if the request was wrong."
    verb.add_argument(
        "methods", nargs="+", metavar="METHOD_OR_FILE", help="name of a method, or path of a .py file or a package"
    )
    verb.add_argument(
        "--timeout",
        dest="timeout_seconds",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="that the checks of a method may take (300)",
    )
    verb.add_argument("--traceback", action="store_true", help="show where a method raised")
    options.add_format(verb, "json")
    verb.set_defaults(act=check)


def check(
    *,
    methods: Sequence[str],
    timeout_seconds: float,
    traceback: bool,
    format: str,
    make_executor: "Callable[[], Executor] | None" = None,
) -> int:
    """Check methods and print the verdicts; the exit code says whether all of them keep the contract."""
    from rich.console import Console

    from bench.commands.check import render, watch
    from bench.errors import RequestError
    from bench.run.executor import LocalExecutor

    if not 0 < timeout_seconds < math.inf:
        raise RequestError(f"--timeout must be a number of seconds above 0, got {timeout_seconds:g}")
    plugins = watch.chosen(methods)
    console, reports = Console(), []
    executor = (make_executor or LocalExecutor)()
    try:
        for plugin in plugins:
            report = watch.check(plugin, executor, timeout_seconds)
            reports.append(report)
            if format == "table":
                render.show(report.plugin, report.results, report.seconds, console, traceback)
    finally:
        executor.close()
    if format == "json":
        sys.stdout.write(render.to_json([(r.plugin, r.results, r.seconds) for r in reports]))
    return options.OK if all(report.sound for report in reports) else options.CELLS_FAILED
