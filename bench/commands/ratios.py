"""``tunebench ratios``: measure throughput ratios of methods that take turns."""

import argparse
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.commands import options

if TYPE_CHECKING:
    from bench.ratios.measurement import Measurement

#: Suffix of a file of windows.
WINDOWS_SUFFIX = ".jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ratios``."""
    options.add_study(parser, f", or a {WINDOWS_SUFFIX} file of measured windows, to print its table again")
    options.add_data_root(parser)
    options.add_plugins(parser)
    parser.add_argument(
        "--reference", metavar="METHOD",
        help="method that the others are compared with (the first one that trains all parameters, else the first)",
    )  # fmt: skip
    parser.add_argument(
        "--within", type=float, default=1.0, metavar="PERCENT",
        help="end when each ratio's 95 %% interval is within this of the ratio (1)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=float, default=60.0, metavar="SECONDS", help="time limit of each pair of methods (60)"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR",
        help="write the windows to DIR/<study>/ratios.jsonl (runs)",
    )  # fmt: skip
    options.add_format(parser, "md", "csv", "json")
    parser.set_defaults(act=ratios)


def ratios(
    *, study: str, only: Sequence[str], scale: Literal["tiny"] | None, data_root: Path | None,
    plugin_files: Sequence[Path], reference: str | None, within: float, seconds: float, runs: Path, format: str,
) -> int:  # fmt: skip
    """Print the table of ratios; the exit code says whether every method could be measured."""
    from bench.errors import RequestError

    if not 0 < within < 100:
        raise RequestError(f"--within must be above 0 and below 100 percent, got {within:g}")
    if not (math.isfinite(seconds) and seconds > 0):
        raise RequestError(f"--seconds must be a number above 0, got {seconds:g}")
    if study.endswith(WINDOWS_SUFFIX):
        from bench.ratios.measurement import read_measurement

        measurement = read_measurement(Path(study))
    else:
        measurement = _measure(
            study, only, scale, data_root, plugin_files, reference, within, seconds, runs
        )  # fmt: skip
    _show(measurement, format)
    failed = any(outcome.failed is not None for outcome in measurement.outcomes.values())
    return options.CELLS_FAILED if failed else options.OK


def _measure(
    study: str, only: Sequence[str], scale: Literal["tiny"] | None, data_root: Path | None,
    plugin_files: Sequence[Path], reference: str | None, within: float, seconds: float, runs: Path,
) -> "Measurement":  # fmt: skip
    from bench.clocks import date_now
    from bench.ratios.measure import measure
    from bench.ratios.measurement import Settings
    from bench.ratios.progress import RatioProgress
    from bench.run.executor import LocalExecutor
    from bench.study.request import Request, parse_only
    from bench.study.study import load_study
    from bench.text.redaction import redacted_command

    request = Request(
        study=load_study(study), data_root=data_root, plugin_files=plugin_files, only=parse_only(only), scale=scale
    )
    settings = Settings(
        study=request.study.name, within_percent=within, seconds=seconds, written_at=date_now(),
        command=redacted_command(shlex.join(["tunebench", *sys.argv[1:]])),
    )  # fmt: skip
    path = runs / request.study.name / f"ratios{WINDOWS_SUFFIX}"
    with RatioProgress() as progress:
        return measure(request, settings, reference, path, LocalExecutor, progress)


def _show(measurement: "Measurement", format: str) -> None:
    from rich.console import Console

    from bench.ratios.table import ratio_table, to_json
    from bench.text.tables import csv_text, markdown, terminal

    table = ratio_table(measurement)
    if format == "table":
        console = Console()
        terminal.unfold(console)
        terminal.show(table, console)
        return
    written = {
        "csv": lambda: csv_text.to_csv(table), "md": lambda: markdown.to_markdown(table),
        "json": lambda: to_json(measurement, table),
    }  # fmt: skip
    sys.stdout.write(written[format]())
