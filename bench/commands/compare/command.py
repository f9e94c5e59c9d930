"""``tunebench compare``: compare two runs or reports."""

import argparse
import math
import sys
from pathlib import Path

from bench.commands import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``compare``."""
    parser.description = (
        "Exit code 3 if B is worse than A, 4 if not, but something moved that cannot be judged (a suspect measurement, "
        "another machine, other data), 0 if neither, 2 if they cannot be compared."
    )
    parser.add_argument("a", type=Path, metavar="A", help="baseline: runs/<study>, or a report with records.jsonl")
    parser.add_argument("b", type=Path, metavar="B", help="candidate: a run folder or report likewise")
    parser.add_argument(
        "--threshold", type=float, default=5.0, metavar="PERCENT",
        help="speed or memory that is worse by more, and beyond its noise, is a regression (5)",
    )  # fmt: skip
    parser.add_argument(
        "--f1-threshold", type=float, default=0.01, metavar="F1", help="the same for F1, as a difference (0.01)"
    )
    parser.add_argument(
        "--strict", action="store_true", help="also count suspect measurements and cells that were measured only in A"
    )
    parser.add_argument("--all", dest="show_all", action="store_true", help="also show metrics that did not move")
    options.add_format(parser, "csv", "json")
    parser.set_defaults(act=compare)


def compare(
    *, a: Path, b: Path, threshold: float, f1_threshold: float, strict: bool, show_all: bool, format: str
) -> int:
    """Print a comparison; the exit code says whether something got worse."""
    with options.importing():
        from bench.commands.compare.moves import Rules
        from bench.commands.compare.result import compare as compare_sides
        from bench.commands.compare.side import load
        from bench.errors import RequestError

    for name, value in (("--threshold", threshold), ("--f1-threshold", f1_threshold)):
        if not (math.isfinite(value) and value >= 0):
            raise RequestError(f"{name} must be a number of at least 0, got {value:g}")
    found = compare_sides(load(a), load(b), Rules(threshold / 100, f1_threshold, strict))
    # The other formats do not need rich, whose import takes half of the time.
    if format == "table":
        from rich.console import Console

        from bench.commands.compare import render

        render.show(found, show_all, Console())
    else:
        from bench.commands.compare import export

        sys.stdout.write(export.to_csv(found) if format == "csv" else export.to_json(found))
    if not found.matching.pairs:
        raise RequestError(f"nothing was compared: no cell of {a} is one of {b} by dataset, model, method and seed")
    if found.regressed:
        return options.REGRESSED
    return options.NOT_JUDGED if found.not_judged else options.OK
