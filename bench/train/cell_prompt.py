"""The prompt of a cell: its settings, label words and train texts as examples."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.data.texts import Dataset, Split
from bench.errors import StudyError
from bench.model.prompting.pairs import Columns, shown
from bench.model.prompting.prompts import Prompt, build
from bench.study.cell import Cell


def prompt_of(cell: Cell, dataset: Dataset, tokenizer: Any) -> Prompt:
    """The prompt around a text of the dataset.

    Raises:
        StudyError: label words, examples or max_length are unsuitable; the message says why.
        ModelError: the chat template is missing or unusable.
    """
    assert cell.prompt is not None, f"{cell.model.name} is not a causal model, so it has no prompt"
    wanted = cell.prompt.examples_per_class
    held = np.bincount(dataset.splits["train"].labels, minlength=len(dataset.labels))
    if wanted > held.min():
        raise StudyError(
            f"dataset {cell.dataset.name}: prompt.examples_per_class must be at most the train texts of each class, "
            f"got {wanted} but {dataset.labels[int(held.argmin())]!r} has {held.min()}"
        )
    train = dataset.splits["train"]
    drawn = shown_examples(train.labels, len(dataset.labels), cell.prompt.examples_per_class, cell.data.split_seed)
    examples = [(shown_text(train, dataset.columns, row), train.labels[row]) for row in drawn]
    prompt = build(
        tokenizer, cell.prompt, dataset.labels, examples, cell.model.chat_template,
        f"dataset {cell.dataset.name}, model {cell.model.name}",
    )  # fmt: skip
    prompt.room(cell.data.max_length)
    return prompt


def shown_examples(labels: Sequence[int], num_labels: int, per_class: int, seed: int) -> list[int]:
    """Positions of the example texts: ``per_class`` of each class, in random order from the seed."""
    rng = np.random.default_rng(seed)
    array = np.asarray(labels)
    of_class = [rng.permutation(np.flatnonzero(array == label))[:per_class] for label in range(num_labels)]
    return [int(at) for at in rng.permutation(np.concatenate(of_class).astype(np.int64))]


def shown_text(split: Split, columns: Columns | None, row: int) -> str:
    """One text of a split in a prompt; a pair is shown with the names of its columns."""
    if split.pairs is None or columns is None:
        return split.texts[row]
    return shown(columns, split.texts[row], split.pairs[row])
