"""The comparison that was asked for: both sides read, compared, and printed as asked."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.commands.compare.result import Comparison, compare
from bench.commands.compare.side import load
from bench.commands.compare.verdicts import Rules
from bench.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What the command line says.

    Attributes:
        a: the baseline, a run folder or a published report.
        b: the candidate, one of either.
        threshold_percent: a relative worsening beyond this is a regression.
        f1_threshold: the same for F1, absolute.
        strict: suspect rows, and cells that B lacks, count too.
        every: metrics that did not move are printed too.
        layout: ``table``, ``csv`` or ``json``.
    """

    a: Path
    b: Path
    threshold_percent: float = 5.0
    f1_threshold: float = 0.01
    strict: bool = False
    every: bool = False
    layout: str = "table"


def run_compare(options: CompareOptions, console: Console) -> bool:
    """Print a comparison; True if nothing got worse.

    Raises:
        RequestError: a side cannot be read, a threshold is no number from 0, or no cell of A has a partner in B.
    """
    for name, value in (("--threshold", options.threshold_percent), ("--f1-threshold", options.f1_threshold)):
        if not (math.isfinite(value) and value >= 0):
            raise RequestError(f"{name} must be a number of at least 0, got {value:g}")
    rules = Rules(options.threshold_percent / 100, options.f1_threshold, options.strict)
    found = compare(load(options.a), load(options.b), rules)
    _print(found, options, console)
    if not found.matching.pairs:
        raise RequestError(
            f"nothing was compared: no cell of {options.a} is one of {options.b} by dataset, model, method and seed"
        )
    return not found.regressed


def _print(found: Comparison, options: CompareOptions, console: Console) -> None:
    # Imported here and not at the top: the table library takes half of the time, and programs need none.
    if options.layout == "table":
        from bench.commands.compare import render

        render.show(found, options.every, console)
        return
    from bench.commands.compare import export

    sys.stdout.write(export.to_csv(found) if options.layout == "csv" else export.to_json(found))
