"""``tunebench methods``: list the methods with their options."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import options

if TYPE_CHECKING:
    from rich.console import Console

    from bench.method import BaseMethod, Variant
    from bench.method.registry import Plugin
    from bench.method.search_space import Searched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``methods``."""
    options.add_plugins(parser)
    parser.add_argument(
        "--options", dest="variant", metavar="METHOD.VARIANT",
        help="show one variant of a method that has several, with its options",
    )  # fmt: skip
    parser.set_defaults(act=methods)


def methods(*, plugin_files: Sequence[Path], variant: str | None = None) -> int:
    """Print every method found, or one variant; the exit code says whether all of them import."""
    from rich.console import Console

    if variant is not None:
        show_variant(variant, plugin_files, Console())
        return options.OK
    return options.OK if show_methods(plugin_files, Console()) else options.CELLS_FAILED


def show_methods(plugin_files: Sequence[Path], console: "Console") -> bool:
    """Print every method found, with its options; True if all of them import."""
    from bench.errors import RequestError
    from bench.method import registry
    from bench.method.search_space import declared, shown
    from bench.study.settings import TrainSettings
    from bench.text.display import say

    intact = True
    for name, plugin in registry.find(plugin_files).items():
        try:
            with _loaded(plugin) as method:
                lines = [*_lines(method), *_variant_lines(name, method.variants())]
        except RequestError as error:
            say(f"{name} ({plugin.origin}) skipped: {error}", console, "red")
            intact = False
            continue
        say(f"{name} ({plugin.origin}) {lines[0]}", console, "bold")
        _print(lines[1:], console)
    say("settings of training that a search tries for every method", console, "bold")
    _print([f"    train.{name}: {shown(searched)}" for name, searched in declared(TrainSettings).items()], console)
    return intact


def show_variant(wanted: str, plugin_files: Sequence[Path], console: "Console") -> None:
    """Print one variant of a method, with its options.

    Args:
        wanted: name of the method, a dot and the name of the variant.
        plugin_files: method files of the user.
        console: output console.

    Raises:
        UnknownNameError: there is no such method or variant.
        PluginError: the method does not import.
    """
    from bench.errors import UnknownNameError
    from bench.method import registry
    from bench.text.display import say
    from bench.text.message import message

    name, _, chosen = wanted.partition(".")
    with _loaded(registry.get(registry.find(plugin_files), name)) as method:
        variants = {variant.name: variant for variant in method.variants()}
        if chosen not in variants:
            raise UnknownNameError(f"variant of method {name}", chosen, variants, "give METHOD.VARIANT")
        variant = variants[chosen]
        lines = [*_lines(method)[1:], *(_option(o.name, o.default, o.meaning, o.searched) for o in variant.options)]
    say(f"{name}.{chosen} ({message(variant.status)}) {message(variant.summary)}", console, "bold")
    _print(lines, console)


@contextmanager
def _loaded(plugin: "Plugin") -> "Iterator[type[BaseMethod]]":
    """The class of a method, for as long as its code is called."""
    from bench.errors import PluginError
    from bench.measure.hidden_gpus import gpus_hidden
    from bench.method import registry
    from bench.method.importing import CALLED, announced, guarded

    if plugin.error is not None:
        raise PluginError(plugin.error)
    with gpus_hidden():  # an import could initialise CUDA
        method = registry.load_any(plugin.name, plugin.path)
        shown = guarded(f"method {plugin.name}: {plugin.path} cannot be shown")
        with announced(plugin.name, plugin.path, CALLED), shown:
            yield method


def _print(lines: Sequence[str], console: "Console") -> None:
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _lines(method: "type[BaseMethod]") -> list[str]:
    """A method's label and summary, and a line for each option."""
    from bench.text.message import message, shortened

    summary = next(iter((method.__doc__ or "").strip().splitlines()), "")
    space = method.search_space({})
    options = [
        _option(name, field.get_default(call_default_factory=True), field.description or "", space.get(name))
        for name, field in method.options_class.model_fields.items()
    ]
    return [f"{shortened(str(method.label))}: {message(summary)}", *options]


def _option(name: str, default: object, meaning: str, searched: "Searched | None") -> str:
    from bench.method.search_space import shown
    from bench.text.message import message, shortened

    tried = "" if searched is None else f"; a search tries {shortened(shown(searched))}"
    return f"    {name} = {shortened(repr(default))}  {message(meaning)}{tried}"


def _variant_lines(name: str, variants: "Sequence[Variant]") -> list[str]:
    """The names of the variants by their status; none for a method without variants."""
    from bench.text.message import listed, message

    if not variants:
        return []
    by_status: dict[str, list[str]] = {}
    for variant in variants:
        by_status.setdefault(message(variant.status), []).append(variant.name)
    shown = f"tunebench methods --options {name}.{variants[0].name}"
    first = f"    {len(variants)} variants; the options of one: {message(shown)}"
    return [first, *(f"    {status}: {listed(names)}" for status, names in by_status.items())]
