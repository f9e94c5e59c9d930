"""What there is: the methods with their options, and this machine."""

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from bench import __version__
from bench.errors import PluginError, RequestError, StudyError
from bench.measure.hidden_gpus import gpus_hidden
from bench.method import Method, registry
from bench.method.importing import ASKED, announced, guarded
from bench.method.registry import MethodSource
from bench.schema import explain
from bench.study.catalog import catalog
from bench.study.cell import Cell
from bench.study.datasets import resolve_dataset
from bench.study.grid import prompt_for, texts_for
from bench.study.models import resolve_model
from bench.study.study import Grid, Study, load_study, shipped_studies, study_base
from bench.text.display import for_terminal
from bench.text.message import message, shortened


def show_methods(plugin_files: Sequence[Path], console: Console) -> bool:
    """Print every method found, with its options; True if all of them import."""
    intact = True
    for name, plugin in registry.find(plugin_files).items():
        try:
            if plugin.error is not None:
                raise PluginError(plugin.error)
            with gpus_hidden():  # what it imports would start CUDA
                method = registry.load(name, plugin.path)
                shown = guarded(f"method {name}: {plugin.path} cannot be shown")
                with announced(name, plugin.path, ASKED), shown:
                    lines = _lines(method)
        except RequestError as error:
            console.print(f"[red]{name}[/] ({plugin.origin}) skipped: {escape(str(error))}")
            intact = False
            continue
        console.print(f"[bold]{name}[/] ({plugin.origin}) {escape(lines[0])}")
        for line in lines[1:]:
            console.print(line, highlight=False, markup=False)
    return intact


def _lines(method: type[Method]) -> list[str]:
    """A method's label and summary, and a line for each option."""
    summary = next(iter((method.__doc__ or "").strip().splitlines()), "")
    fields = method.options_class.model_fields.items()
    defaults = {name: shortened(repr(field.get_default(call_default_factory=True))) for name, field in fields}
    options = [f"    {name} = {defaults[name]}  {message(field.description or '')}" for name, field in fields]
    return [f"{shortened(str(method.label))}: {message(summary)}", *options]


def show_doctor(plugin_files: Sequence[Path], data_root: Path | None, console: Console) -> bool:
    """Print what a study would find here; True if nothing that ships is missing."""
    import torch

    from bench.commands.gpu_report import device_lines
    from bench.data.tokens import cache_folder
    from bench.measure.machine import describe
    from bench.model.load import fetch

    machine = describe(torch.device("cpu"))
    lines = {
        "tunebench": f"{__version__}, commit {machine.commit or 'unknown'}{' with changes' if machine.dirty else ''}",
        "python": machine.python,
        "cpu": f"{machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 1e9:.1f} GB",
        **device_lines(),
        "packages": ", ".join(f"{name} {found}" for name, found in machine.packages.items()),
        "hub": os.environ.get("HF_ENDPOINT", "the default endpoint") + _offline(),
        "token cache": str(cache_folder()),
        "studies": ", ".join(shipped_studies()),
    }
    for name, text in lines.items():
        console.print(f"{name}: {message(text)}", highlight=False, markup=False, soft_wrap=True)
    sound = show_methods(plugin_files, console)
    study = _study_of("x", "x")
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


def show_prompt(model: str, dataset: str, reference: str | None, data_root: Path | None, console: Console) -> None:
    """Print how a causal model is asked about the first test text of a dataset.

    Args:
        model: by any name that a study may give.
        dataset: likewise.
        reference: the study whose settings hold; None: the defaults.
        data_root: see ``resolve_dataset``.
        console: to print on.

    Raises:
        RequestError: a name is unknown, the model is no causal one, or the prompt does not do.
    """
    from bench.data import texts
    from bench.model.load import fetch, load_tokenizer
    from bench.train.cell_prompt import prompt_of, shown_text

    cell = cell_to_ask(model, dataset, reference, data_root)
    if cell.prompt is None:
        raise StudyError(f"model {cell.model.name} is an encoder and is not asked; --prompt takes a causal model")
    tokenizer = load_tokenizer(cell.model, fetch(cell.model))
    loaded = texts.load(cell.dataset, cell.data)
    prompt = prompt_of(cell, loaded, tokenizer)
    room = prompt.room(cell.data.max_length)
    text = shown_text(loaded.splits["test"], loaded.columns, 0)
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    shown = prompt.text(tokenizer.decode(ids[:room]) if len(ids) > room else text)
    labels = ", ".join(f"{word!r} ({len(t)})" for word, t in zip(prompt.label_words, prompt.label_ids, strict=True))
    lines = [
        f"tokens: {len(prompt.prefix_ids)} before the text, {len(ids)} of the text of which {min(len(ids), room)} are "
        f"kept, {len(prompt.suffix_ids)} behind it; data.max_length {cell.data.max_length}",
        f"labels, with their tokens: {labels}",
        f"length normalisation: {cell.prompt.length_normalization}",
        f"sha256: {prompt.sha256}",
        "prompt of test/0:",
        shown,
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def show_data(name: str, reference: str | None, data_root: Path | None, console: Console) -> None:
    """Print what a dataset holds and what may make its numbers mislead, before anything is run.

    Args:
        name: by any name that a study may give, a folder or a file.
        reference: the study that defines it and whose data settings hold; None: the defaults.
        data_root: see ``resolve_dataset``.
        console: to print on.

    Raises:
        RequestError: the name is unknown, or the data cannot be read.
    """
    from bench.data import texts
    from bench.data.survey import survey

    study, base = _study_of(name, "x"), Path()
    if reference is not None:
        study, base = load_study(reference), study_base(reference)
    source = resolve_dataset(name, study, data_root, base)
    grid = next((grid for grid in study.grid if name in grid.datasets), study.grid[0])
    loaded = texts.load(source, study.data_settings(grid, source.name))
    lines = [f"dataset {source.name}: {source.kind}, {source.fingerprint}", *survey(loaded)]
    for line in lines:
        console.print(for_terminal(message(line), console), highlight=False, markup=False, soft_wrap=True)


def _study_of(dataset: str, model: str) -> Study:
    """A study of one dataset and model, all else as it is by default.

    Raises:
        StudyError: one of them can be no name, e.g. because it is too long.
    """
    try:
        return Study(name="doctor", grid=(Grid(datasets=(dataset,), models=(model,)),))
    except ValidationError as error:
        raise StudyError(explain(error, "doctor", Grid)) from None


def cell_to_ask(model: str, dataset: str, reference: str | None, data_root: Path | None) -> Cell:
    """A cell of one model and dataset with the settings of a study, by the first grid that has the dataset."""
    study = _study_of(dataset, model)
    base = Path()
    if reference is not None:
        study, base = load_study(reference), study_base(reference)
    grid = next((grid for grid in study.grid if dataset in grid.datasets and model in grid.models), study.grid[0])
    source = resolve_model(model, study, base)
    texts = texts_for(source, resolve_dataset(dataset, study, data_root, base))
    return Cell(
        study=study.name, dataset=texts, model=source, seed=0, limits=study.limits, train=study.train,
        method=MethodSource(name="none", label="none", plugin="none", path="", sha256=""),
        data=study.data_settings(grid, texts.name),
        prompt=prompt_for(study, grid, texts, source),
    )  # fmt: skip


def _offline() -> str:
    return " (HF_HUB_OFFLINE is set: nothing is fetched)" if os.environ.get("HF_HUB_OFFLINE") else ""
