"""``tunebench methods``: list the methods with their options."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import options

if TYPE_CHECKING:
    from rich.console import Console

    from bench.method import Method


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``methods``."""
    options.add_plugins(parser)
    parser.set_defaults(act=methods)


def methods(*, plugin_files: Sequence[Path]) -> int:
    """Print every method found; the exit code says whether all of them import."""
    from rich.console import Console

    return options.OK if show_methods(plugin_files, Console()) else options.CELLS_FAILED


def show_methods(plugin_files: Sequence[Path], console: "Console") -> bool:
    """Print every method found, with its options; True if all of them import."""
    from bench.errors import PluginError, RequestError
    from bench.measure.hidden_gpus import gpus_hidden
    from bench.method import registry
    from bench.method.importing import CALLED, announced, guarded
    from bench.text.display import say

    intact = True
    for name, plugin in registry.find(plugin_files).items():
        try:
            if plugin.error is not None:
                raise PluginError(plugin.error)
            with gpus_hidden():  # an import could initialise CUDA
                method = registry.load(name, plugin.path)
                shown = guarded(f"method {name}: {plugin.path} cannot be shown")
                with announced(name, plugin.path, CALLED), shown:
                    lines = _lines(method)
        except RequestError as error:
            say(f"{name} ({plugin.origin}) skipped: {error}", console, "red")
            intact = False
            continue
        say(f"{name} ({plugin.origin}) {lines[0]}", console, "bold")
        for line in lines[1:]:
            console.print(line, highlight=False, markup=False)
    return intact


def _lines(method: "type[Method]") -> list[str]:
    """A method's label and summary, and a line for each option."""
    from bench.text.message import message, shortened

    summary = next(iter((method.__doc__ or "").strip().splitlines()), "")
    fields = method.options_class.model_fields.items()
    defaults = {name: shortened(repr(field.get_default(call_default_factory=True))) for name, field in fields}
    options = [f"    {name} = {defaults[name]}  {message(field.description or '')}" for name, field in fields]
    return [f"{shortened(str(method.label))}: {message(summary)}", *options]
