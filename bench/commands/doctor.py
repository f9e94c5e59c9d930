"""``tunebench doctor``: show what this machine has and what is missing."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import options
from bench.commands.methods import show_methods

if TYPE_CHECKING:
    from rich.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``doctor``."""
    options.add_plugins(parser)
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="also check the datasets there")
    parser.add_argument(
        "--prompt", nargs=2, metavar=("MODEL", "DATASET"), help="print only the whole prompt of one text"
    )
    parser.add_argument(
        "--data", metavar="NAME_OR_PATH",
        help="print only the sizes, classes, lengths, duplicates and leaks of a dataset",
    )  # fmt: skip
    parser.add_argument(
        "--study", metavar="STUDY", help="study that defines models, datasets and settings for --prompt and --data"
    )
    parser.add_argument(
        "--clear-weights", action="store_true", help="only remove the cached random weights of language models"
    )
    parser.set_defaults(act=doctor)


def doctor(
    *, plugin_files: Sequence[Path], data_root: Path | None, prompt: tuple[str, str] | None, data: str | None,
    study: str | None, clear_weights: bool,
) -> int:  # fmt: skip
    """Print the state of this machine, or only do the one other thing that is asked for; returns the exit code."""
    from rich.console import Console

    from bench.commands import cached_weights, preview
    from bench.errors import RequestError

    console = Console()
    if (data is not None) + (prompt is not None) + clear_weights > 1:
        raise RequestError("give one of --data, --prompt and --clear-weights")
    if clear_weights:
        console.print(cached_weights.cleared(), highlight=False, markup=False, soft_wrap=True)
    elif data is not None:
        preview.show_data(data, study, data_root, console)
    elif prompt is not None:
        model, dataset = prompt
        preview.show_prompt(model, dataset, study, data_root, console)
    elif not _show_machine(plugin_files, data_root, console):
        return options.CELLS_FAILED
    return options.OK


def _show_machine(plugin_files: Sequence[Path], data_root: Path | None, console: "Console") -> bool:
    """Print the state of this machine; True if no shipped method, model or dataset is missing."""
    from bench.commands import cached_weights

    for name, text in _facts().items():
        console.print(f"{name}: {text}", highlight=False, markup=False, soft_wrap=True)
    for line in cached_weights.lines():
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    sound = show_methods(plugin_files, console)
    lines, found = _sources(data_root)
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return sound and found


def _facts() -> dict[str, str]:
    """One line about each part of this machine and its installation, by name."""
    import torch

    from bench import __version__
    from bench.commands.gpu_report import device_lines
    from bench.data.array_cache import cache_folder
    from bench.measure.machine import describe
    from bench.study.study import shipped_studies
    from bench.text.message import message

    machine = describe(torch.device("cpu"))
    lines = {
        "tunebench": f"{__version__}, commit {machine.commit or 'unknown'}{' with changes' if machine.dirty else ''}",
        "python": machine.python, "cpu": f"{machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 1e9:.1f} GB",
        **device_lines(), "packages": ", ".join(f"{name} {found}" for name, found in machine.packages.items()),
        "hub": os.environ.get("HF_ENDPOINT", "the default endpoint") + _offline(), "token cache": str(cache_folder()),
        "studies": ", ".join(shipped_studies()),
    }  # fmt: skip
    return {name: message(text) for name, text in lines.items()}


def _offline() -> str:
    return " (HF_HUB_OFFLINE is set: nothing is downloaded)" if os.environ.get("HF_HUB_OFFLINE") else ""


def _sources(data_root: Path | None) -> tuple[list[str], bool]:
    """One line with the place of each catalog model and dataset, and whether all of them were found."""
    from bench.commands.preview import study_of
    from bench.errors import RequestError
    from bench.model.load import fetch
    from bench.study.catalog import catalog
    from bench.study.datasets import resolve_dataset
    from bench.study.models import resolve_model

    study, lines, found = study_of("x", "x"), [], True
    for name in catalog("models"):
        try:
            model = resolve_model(name, study)
            where = str(fetch(model)) if model.folder else f"on the hub: {model.hub_id}@{model.revision}"
            lines.append(f"model {name}: {where}")
        except RequestError as error:
            lines.append(f"model {name}: {error}")
            found = False
    for name in catalog("datasets"):
        try:
            dataset = resolve_dataset(name, study, data_root)
            lines.append(f"dataset {name}: {dataset.kind}, {dataset.fingerprint}")
        except RequestError as error:
            lines.append(f"dataset {name}: {error}")
            found = False
    return lines, found
