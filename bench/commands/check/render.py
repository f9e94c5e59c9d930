"""Verdicts as lines for people and as JSON for machines."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import get_args

from rich.console import Console
from rich.text import Text

from bench.commands.check.finding import Result, Verdict
from bench.method.registry import Plugin
from bench.text.display import for_terminal

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
    _print(Text(plugin.name, style="bold") + for_terminal(f"  {plugin.path}", console), console)
    for model, group in groupby(results, key=lambda result: result.model):
        _print(for_terminal(model or "the method itself", console), console)
        for verdict, alike in groupby(group, key=lambda result: result.verdict):
            if verdict == "not run":
                names = ", ".join(result.check for result in alike)
                _print(_line(verdict, "what follows", names, console), console)
                continue
            for result in alike:
                said = result.found if result.advice is None else f"{result.found}; {result.advice}"
                _print(_line(verdict, result.check, said, console), console)
                if with_traceback and result.traceback:
                    _show_traceback(result.traceback, console)
    counts = Counter(result.verdict for result in results)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict))
    _print(Text(f"{plugin.name}: {summary}; {seconds:.1f} s"), console)


def _line(verdict: Verdict, what: str, said: str, console: Console) -> Text:
    line = Text("  ").append(f"{verdict:<{VERDICT_WIDTH}}", style=STYLES[verdict])
    return line.append(f"{what:<{CHECK_WIDTH}}").append_text(for_terminal(said, console))


def _show_traceback(text: str, console: Console) -> None:
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        _print(Text(" " * (4 + indent)).append_text(for_terminal(line.strip(), console)), console)


def _print(text: Text, console: Console) -> None:
    console.print(text, soft_wrap=True, highlight=False)


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
    return json.dumps({"methods": methods}, indent=1) + "\n"
