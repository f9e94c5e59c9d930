"""Results of checks as lines on a terminal and as JSON."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import get_args

from rich.console import Console
from rich.text import Text

from bench.commands.check.finding import CheckVerdict, Result
from bench.method.registry import Plugin
from bench.text.display import for_terminal, say
from bench.text.json_text import dumps

STYLES: dict[CheckVerdict, str] = {"pass": "green", "fail": "bold red", "not applicable": "dim", "not run": "yellow"}
VERDICT_WIDTH, CHECK_WIDTH = 16, 18


def show(plugin: Plugin, results: Sequence[Result], seconds: float, console: Console, traceback: bool) -> None:
    """Print one line per check, grouped by model, then the number of results with each verdict.

    Checks that were not run share one line.

    Args:
        plugin: the method.
        results: results of its checks.
        seconds: duration of the checks.
        console: output console.
        traceback: whether tracebacks are printed.
    """
    say(f"{plugin.name}  {plugin.path}", console, "bold")
    for model, group in groupby(results, key=lambda result: result.model):
        say(model or "the method itself", console)
        for verdict, same in groupby(group, key=lambda result: result.verdict):
            if verdict == "not run":
                names = ", ".join(result.check for result in same)
                _show(verdict, "the rest", names, console)
                continue
            for result in same:
                said = result.found if result.advice is None else f"{result.found}; {result.advice}"
                _show(verdict, result.check, said, console)
                if traceback and result.traceback:
                    _show_traceback(result.traceback, console)
    counts = Counter(result.verdict for result in results)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(CheckVerdict))
    say(f"{plugin.name}: {summary}; {seconds:.1f} s", console)


def _show(verdict: CheckVerdict, what: str, said: str, console: Console) -> None:
    line = Text("  ").append(f"{verdict:<{VERDICT_WIDTH}}", style=STYLES[verdict])
    line.append(f"{what:<{CHECK_WIDTH}}").append_text(for_terminal(said, console))
    console.print(line, soft_wrap=True)


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
