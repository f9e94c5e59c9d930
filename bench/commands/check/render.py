"""Verdicts as lines for people and as JSON for machines."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import get_args

from rich.console import Console
from rich.text import Text

from bench.commands.check.finding import Result, Verdict
from bench.method.registry import Plugin
from bench.text.display import for_terminal, say
from bench.text.json_text import dumps

STYLES: dict[Verdict, str] = {"pass": "green", "fail": "bold red", "not applicable": "dim", "not run": "yellow"}
VERDICT_WIDTH, CHECK_WIDTH = 16, 18


def show(plugin: Plugin, results: Sequence[Result], seconds: float, console: Console, with_traceback: bool) -> None:
    """Print one line a check, under the model that it was held on; then how many came out how.

    Checks that were not run share a line.

    Args:
        plugin: the method.
        results: of its checks.
        seconds: that they took.
        console: to print on.
        with_traceback: print under a failure where the plugin raised.
    """
    say(f"{plugin.name}  {plugin.path}", console, "bold")
    for model, group in groupby(results, key=lambda result: result.model):
        say(model or "the method itself", console)
        for verdict, alike in groupby(group, key=lambda result: result.verdict):
            if verdict == "not run":
                names = ", ".join(result.check for result in alike)
                _show(verdict, "what follows", names, console)
                continue
            for result in alike:
                said = result.found if result.advice is None else f"{result.found}; {result.advice}"
                _show(verdict, result.check, said, console)
                if with_traceback and result.traceback:
                    _show_traceback(result.traceback, console)
    counts = Counter(result.verdict for result in results)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict))
    say(f"{plugin.name}: {summary}; {seconds:.1f} s", console)


def _show(verdict: Verdict, what: str, said: str, console: Console) -> None:
    line = Text("  ").append(f"{verdict:<{VERDICT_WIDTH}}", style=STYLES[verdict])
    line.append(f"{what:<{CHECK_WIDTH}}").append_text(for_terminal(said, console))
    console.print(line, soft_wrap=True)


def _show_traceback(text: str, console: Console) -> None:
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        say(line.strip(), console, lead=" " * (4 + indent))


def to_json(reports: Iterable[tuple[Plugin, Sequence[Result], float]]) -> str:
    """Every result of every method."""
    methods = [
        {
            "name": plugin.name,
            "path": str(plugin.path),
            "sha256": plugin.sha256,
            "seconds": round(seconds, 3),
            "results": [result.model_dump(mode="json") for result in results],
        }
        for plugin, results, seconds in reports
    ]
    return dumps({"methods": methods})
