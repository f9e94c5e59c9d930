"""Results of checks as a table on a terminal and as JSON."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import get_args

from rich.console import Console

from bench.commands.check.finding import CheckVerdict, Result
from bench.method.registry import Plugin
from bench.text.display import say, visible
from bench.text.json_text import dumps
from bench.text.tables import terminal
from bench.text.tables.table import Column, Table, Values

STYLES: dict[CheckVerdict, str] = {"pass": "green", "fail": "bold red", "not applicable": "dim", "not run": "yellow"}
COLUMNS = (
    Column("verdict", "Verdict", lambda row: str(row["verdict"]), prose=True),
    Column("found", "Found", lambda row: str(row["found"]), prose=True),
)


def show(plugin: Plugin, results: Sequence[Result], seconds: float, console: Console, traceback: bool) -> None:
    """Print a table of the checks, then the tracebacks, then the number of results with each verdict.

    Args:
        plugin: the method.
        results: results of its checks.
        seconds: duration of the checks.
        console: output console.
        traceback: whether tracebacks are printed.
    """
    terminal.unfold(console)
    terminal.show(_table(f"{plugin.name}  {plugin.path}", list(_rows(results))), console)
    for result in results:
        if traceback and result.traceback:
            say(f"{result.model} / {result.check}".removeprefix(" / "), console)
            _show_traceback(result.traceback, console)
    counts = Counter(result.verdict for result in results)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(CheckVerdict))
    say(f"{plugin.name}: {summary}; {seconds:.1f} s", console)


def _table(title: str, rows: Sequence[Values]) -> Table:
    styles = {(at, "verdict"): STYLES[row["verdict"]] for at, row in enumerate(rows)}
    return Table(
        title=title, heads={"model": "Model", "check": "Check"}, columns=COLUMNS, rows=rows, styles=styles
    )  # fmt: skip


def _rows(results: Sequence[Result]) -> Iterator[Values]:
    """One row per check; those of a model that were not run share one."""
    for (model, verdict), same in groupby(results, key=lambda result: (result.model, result.verdict)):
        row = {"model": model or "any", "verdict": verdict}
        if verdict == "not run":
            yield row | {"check": "the rest", "found": ", ".join(result.check for result in same)}
        else:
            yield from (row | {"check": result.check, "found": _found(result)} for result in same)


def _found(result: Result) -> str:
    # A table would leave control characters out; here they are spelled out, because an author looks for them.
    return visible(result.found if result.advice is None else f"{result.found}; {result.advice}")


def _show_traceback(text: str, console: Console) -> None:
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        say(line.strip(), console, lead=" " * (4 + indent))


def to_json(reports: Iterable[tuple[Plugin, Sequence[Result], float]]) -> str:
    """The results of every method, as JSON."""
    methods = [
        {
            "name": plugin.name, "path": str(plugin.path), "sha256": plugin.sha256, "seconds": round(seconds, 3),
            "results": [result.model_dump(mode="json") for result in results],
        }
        for plugin, results, seconds in reports
    ]  # fmt: skip
    return dumps({"methods": methods})
