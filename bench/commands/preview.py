"""What a study would show a model: the whole prompt of one text, and the facts of a dataset."""

from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from bench.data import texts
from bench.data.survey import survey
from bench.errors import StudyError
from bench.method.registry import MethodSource
from bench.model.load import fetch, load_tokenizer
from bench.schema import explain
from bench.study.cell import Cell
from bench.study.datasets import resolve_dataset
from bench.study.grid import prompt_for
from bench.study.models import resolve_model
from bench.study.sources import texts_for
from bench.study.study import Grid, Study, load_study
from bench.text.display import say
from bench.text.message import message
from bench.train.cell_prompt import prompt_of, shown_text


def show_prompt(model: str, dataset: str, study_name: str | None, data_root: Path | None, console: Console) -> None:
    """Print how a causal model is asked about the first test text of a dataset.

    Args:
        model: by any name that a study may give.
        dataset: likewise.
        study_name: the study whose settings hold; None: the defaults.
        data_root: see ``resolve_dataset``.
        console: to print on.

    Raises:
        RequestError: a name is unknown, the model is no causal one, or the prompt does not do.
    """
    cell = _cell_to_ask(model, dataset, study_name, data_root)
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


def show_data(name: str, study_name: str | None, data_root: Path | None, console: Console) -> None:
    """Print what a dataset holds and what may make its numbers mislead, before anything is run.

    Args:
        name: by any name that a study may give, a folder or a file.
        study_name: the study that defines it and whose data settings hold; None: the defaults.
        data_root: see ``resolve_dataset``.
        console: to print on.

    Raises:
        RequestError: the name is unknown, or the data cannot be read.
    """
    study = study_of(name, "x") if study_name is None else load_study(study_name)
    source = resolve_dataset(name, study, data_root)
    grid = next((grid for grid in study.grid if name in grid.datasets), study.grid[0])
    loaded = texts.load(source, study.data_settings(grid, source.name))
    lines = [f"dataset {source.name}: {source.kind}, {source.fingerprint}", *survey(loaded)]
    for line in lines:
        say(message(line), console)


def study_of(dataset: str, model: str) -> Study:
    """A study of one dataset and model, all else as it is by default.

    Raises:
        StudyError: one of them can be no name, e.g. because it is too long.
    """
    try:
        return Study(name="doctor", grid=(Grid(datasets=(dataset,), models=(model,)),))
    except ValidationError as error:
        raise StudyError(explain(error, "doctor", Grid)) from None


def _cell_to_ask(model: str, dataset: str, study_name: str | None, data_root: Path | None) -> Cell:
    """A cell of one model and dataset with the settings of a study, by the first grid that has the dataset."""
    study = study_of(dataset, model) if study_name is None else load_study(study_name)
    grid = next((grid for grid in study.grid if dataset in grid.datasets and model in grid.models), study.grid[0])
    source = resolve_model(model, study)
    filled = texts_for(source, resolve_dataset(dataset, study, data_root))
    return Cell(
        study=study.name, dataset=filled, model=source, seed=0, limits=study.limits, train=study.train,
        method=MethodSource(name="none", label="none", plugin="none", path="", sha256=""),
        data=study.data_settings(grid, filled.name),
        prompt=prompt_for(study, grid, filled, source),
    )  # fmt: skip
