"""Summary of a dataset before a run: sizes, classes, lengths, duplicates and cautions."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.data import duplicates
from bench.data.cautions import cautions
from bench.data.duplicates import Duplicates
from bench.data.texts import Dataset, Split
from bench.text.message import listed

#: Classes of a split and ids of texts that one line lists.
MOST_CLASSES, MOST_PLACES = 20, 5
PERCENTS = (0, 50, 95, 100)


def survey(dataset: Dataset) -> list[str]:
    """Lines that summarise a dataset; texts are identified by their ids and not quoted."""
    found = duplicates.find(dataset.splits)
    lines = [f"classes: {len(dataset.labels)}: {listed(dataset.labels, MOST_CLASSES)}"]
    if dataset.label_values == "indices":
        lines.append("labels are read as indices of these classes, from 0")
    if dataset.columns is not None:
        lines.append(f"pairs of {dataset.columns[0]} and {dataset.columns[1]}")
    for name, split in dataset.splits.items():
        carved = " (carved from train)" if name == "validation" and dataset.validation_carved else ""
        lines.append(f"{name}{carved}: {len(split)} texts; {_classes(split, dataset.labels)}")
        lines.append(f"{name}: words per text: {_lengths(split)}")
    lines += _duplicates(dataset, found)
    warned = dict.fromkeys(sentence for split in ("validation", "test") for sentence in cautions(dataset, found, split))
    return [*lines, *(f"caution: {sentence}" for sentence in warned)]


def _classes(split: Split, labels: Sequence[str]) -> str:
    counts = np.bincount(split.labels, minlength=len(labels)).tolist()
    return listed([f"{label} {count}" for label, count in zip(labels, counts, strict=True)], MOST_CLASSES)


def _lengths(split: Split) -> str:
    """Quantiles of the number of whitespace-separated words; for pairs of both texts together."""
    both = [split.texts, *([] if split.pairs is None else [split.pairs])]
    words = np.sum([[len(text.split()) for text in texts] for texts in both], axis=0)
    least, median, high, most = np.percentile(words, PERCENTS)
    return f"{least:.0f} to {most:.0f}, median {median:.0f}, 95 % have at most {high:.0f}"


def _duplicates(dataset: Dataset, found: Duplicates) -> list[str]:
    """One line for each split and kind of duplicate or empty text."""
    kinds: tuple[tuple[str, Mapping[str, list[int]]], ...] = (
        ("in train too", found.in_train), ("repeated within their split", found.repeated),
        ("repeated with another label", found.conflicting), ("empty", found.empty),
    )  # fmt: skip
    return [
        f"{name}: {len(places)} of {len(dataset.splits[name])} texts {what}{_ids(dataset.splits[name], places)}"
        for what, by_split in kinds
        for name, places in by_split.items()
    ]


def _ids(split: Split, positions: Sequence[int]) -> str:
    return f": {listed([split.ids[at] for at in positions], MOST_PLACES)}" if positions else ""
