"""What there is: the methods with their options, and this machine."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bench import __version__, registry
from bench.errors import PluginError, RequestError
from bench.method import Method
from bench.sources import catalog, resolve_dataset, resolve_model
from bench.study import Grid, Study, shipped_studies


def show_methods(plugin_files: Sequence[Path], console: Console) -> bool:
    """Print every method found, with its options; True if all of them import."""
    intact = True
    for name, plugin in registry.find(plugin_files).items():
        try:
            if plugin.error is not None:
                raise PluginError(plugin.error)
            method = registry.load(name, plugin.path)
        except RequestError as error:
            console.print(f"[red]{name}[/] ({plugin.origin}) skipped: {escape(str(error))}")
            intact = False
            continue
        summary = (method.__doc__ or "").strip().splitlines()[0] if method.__doc__ else ""
        console.print(f"[bold]{name}[/] ({plugin.origin}) {escape(method.label)}: {escape(summary)}")
        _show_options(method, console)
    return intact


def _show_options(method: type[Method], console: Console) -> None:
    for option, field in method.options_class.model_fields.items():
        default = field.get_default(call_default_factory=True)
        console.print(f"    {option} = {default!r}  {field.description or ''}", highlight=False, markup=False)


def show_doctor(plugin_files: Sequence[Path], data_root: Path | None, console: Console) -> bool:
    """Print what a study would find here; True if nothing that ships is missing."""
    import torch

    from bench.data.tokens import cache_folder
    from bench.measure.machine import computes_bf16, describe
    from bench.model import fetch

    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    machine = describe(device)
    precision = "bf16" if computes_bf16(device) else "fp32 (no native bf16)"
    lines = {
        "tunebench": f"{__version__}, commit {machine.commit or 'unknown'}{' with changes' if machine.dirty else ''}",
        "python": machine.python,
        "device": machine.gpu or f"CPU {machine.cpu}",
        "cores and memory": f"{machine.cores} cores, {machine.memory_bytes / 1e9:.1f} GB",
        "precision auto": precision,
        "packages": ", ".join(f"{name} {found}" for name, found in machine.packages.items()),
        "hub": os.environ.get("HF_ENDPOINT", "the default endpoint") + _offline(),
        "token cache": str(cache_folder()),
        "studies": ", ".join(shipped_studies()),
    }
    for name, text in lines.items():
        console.print(f"{name}: {text}", highlight=False, markup=False, soft_wrap=True)
    sound = show_methods(plugin_files, console)
    study = Study(name="doctor", grid=(Grid(datasets=("x",), models=("x",)),))
    for name in catalog("models"):
        try:
            model = resolve_model(name, study, Path())
            where = str(fetch(model)) if model.folder else f"on the hub: {model.hub_id}@{model.revision}"
            console.print(f"model {name}: {where}", highlight=False, markup=False, soft_wrap=True)
        except RequestError as error:
            console.print(f"model {name}: {error}", highlight=False, markup=False, soft_wrap=True)
            sound = False
    for name in catalog("datasets"):
        try:
            dataset = resolve_dataset(name, study, data_root, Path())
            console.print(f"dataset {name}: {dataset.kind}, {dataset.fingerprint}", highlight=False, markup=False)
        except RequestError as error:
            console.print(f"dataset {name}: {error}", highlight=False, markup=False, soft_wrap=True)
            sound = False
    return sound


def _offline() -> str:
    return " (HF_HUB_OFFLINE is set: nothing is fetched)" if os.environ.get("HF_HUB_OFFLINE") else ""
