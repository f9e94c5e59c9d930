"""``tunebench check``: check methods against the plugin contract."""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.commands import options as exit_codes

if TYPE_CHECKING:
    from bench.run.executor import Executor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``check``."""
    parser.description = "Exit code 0 if every check passes, 1 if some fail, 2 if the request was wrong."
    parser.add_argument(
        "methods", nargs="+", metavar="METHOD_OR_FILE", help="name of a method, or path of a .py file or a package"
    )
    parser.add_argument(
        "--options", metavar="TOML", help="options of the one method, as a study writes them: '{ NAME = VALUE }'"
    )
    parser.add_argument(
        "--timeout", dest="timeout_seconds", type=float, default=300.0, metavar="SECONDS",
        help="time limit for the checks of one method (300)",
    )  # fmt: skip
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an exception in a method")
    exit_codes.add_format(parser, "json")
    parser.set_defaults(act=check)


def check(
    *, methods: Sequence[str], timeout_seconds: float, traceback: bool, format: str, options: str | None = None,
    make_executor: "Callable[[], Executor] | None" = None,
) -> int:  # fmt: skip
    """Check methods and print the verdicts; the exit code says whether all of them conform."""
    from rich.console import Console

    from bench.commands.check import render, watch
    from bench.errors import RequestError
    from bench.run.executor import LocalExecutor

    if not 0 < timeout_seconds < math.inf:
        raise RequestError(f"--timeout must be a number of seconds above 0, got {timeout_seconds:g}")
    given = _read_options(options)
    plugins = watch.chosen(methods)
    if given and len(plugins) > 1:
        raise RequestError(f"--options are those of one method, got {len(plugins)} methods; check them one by one")
    console, reports = Console(), []
    executor = (make_executor or LocalExecutor)()
    try:
        for plugin in plugins:
            report = watch.check(plugin, executor, timeout_seconds, given)
            reports.append(report)
            if format == "table":
                render.show(report.plugin, report.results, report.seconds, console, traceback)
    finally:
        executor.close()
    if format == "json":
        sys.stdout.write(render.to_json([(r.plugin, r.results, r.seconds) for r in reports]))
    return exit_codes.OK if all(report.sound for report in reports) else exit_codes.CELLS_FAILED


def _read_options(text: str | None) -> dict[str, Any]:
    """The options of a method, written as the table of a study.

    Raises:
        RequestError: the text is no TOML table.
    """
    import json
    import tomllib

    from bench.errors import RequestError

    try:
        given = tomllib.loads(f"options = {text or '{}'}")
        json.dumps(given, allow_nan=False)  # dates and infinite numbers are no options
    except (ValueError, TypeError, RecursionError) as error:
        raise RequestError(f"--options must be a TOML table such as '{{ r = 8 }}': {error}, got {text!r:.80}") from None
    if given.keys() != {"options"} or not isinstance(given["options"], dict):
        raise RequestError(f"--options must be one TOML table such as '{{ r = 8 }}', got {text!r:.80}")
    return dict(given["options"])
