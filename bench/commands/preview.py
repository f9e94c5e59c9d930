"""Previews of a study: the whole prompt of one text, and the facts of a dataset."""

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
    """Print the prompt of a causal model for the first test text of a dataset.

    Args:
        model: name as in a study file.
        dataset: name as in a study file.
        study_name: study whose settings apply; None: the defaults.
        data_root: see ``resolve_dataset``.
        console: output console.

    Raises:
        RequestError: a name is unknown, the model is not causal, or the prompt is not valid.
    """
    cell = _cell_to_ask(model, dataset, study_name, data_root)
    if cell.prompt is None:
        raise StudyError(f"model {cell.model.name} is an encoder and has no prompt; --prompt takes a causal model")
    tokenizer = load_tokenizer(cell.model, fetch(cell.model))
    loaded = texts.load(cell.dataset, cell.data, cell.seed)
    prompt = prompt_of(cell, loaded, tokenizer)
    room = prompt.room(cell.data.max_length)
    text = shown_text(loaded.splits["test"], loaded.columns, 0)
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    shown = prompt.text(tokenizer.decode(ids[:room]) if len(ids) > room else text)
    labels = ", ".join(f"{word!r} ({len(t)})" for word, t in zip(prompt.label_words, prompt.label_ids, strict=True))
    lines = [
        f"tokens: {len(prompt.prefix_ids)} before the text, {len(ids)} in the text, of which {min(len(ids), room)} are "
        f"kept, {len(prompt.suffix_ids)} after it; data.max_length {cell.data.max_length}",
        f"labels, with their tokens: {labels}", f"length normalisation: {cell.prompt.length_normalization}",
        f"sha256: {prompt.sha256}", "prompt of test/0:", shown,
    ]  # fmt: skip
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def show_data(name: str, study_name: str | None, data_root: Path | None, console: Console) -> None:
    """Print the contents of a dataset and the problems that may make its results misleading.

    Args:
        name: name as in a study file, a folder or a file.
        study_name: study that defines it and whose data settings apply; None: the defaults.
        data_root: see ``resolve_dataset``.
        console: output console.

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
    """A study of one dataset and model with default settings.

    Raises:
        StudyError: one of them is not a valid name, e.g. too long.
    """
    try:
        return Study(name="doctor", grid=(Grid(datasets=(dataset,), models=(model,)),))
    except ValidationError as error:
        raise StudyError(explain(error, "doctor", Grid)) from None


def _cell_to_ask(model: str, dataset: str, study_name: str | None, data_root: Path | None) -> Cell:
    """A cell of one model and dataset with the settings of the first grid of the study that has both."""
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
