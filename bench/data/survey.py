"""A look at a dataset before anything is run: sizes, classes, lengths, and what may make its numbers mislead."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.data import duplicates
from bench.data.cautions import cautions
from bench.data.duplicates import Duplicates
from bench.data.texts import Dataset, Split
from bench.text.message import listed

#: Classes of a split and places of texts that a line names.
MOST_CLASSES, MOST_PLACES = 20, 5
PERCENTS = (0, 50, 95, 100)


def survey(dataset: Dataset) -> list[str]:
    """What there is to know of a dataset, a line each; texts are named by where they stand and not quoted."""
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
    told = dict.fromkeys(sentence for split in ("validation", "test") for sentence in cautions(dataset, found, split))
    return [*lines, *(f"caution: {sentence}" for sentence in told)]


def _classes(split: Split, labels: Sequence[str]) -> str:
    counts = np.bincount(split.labels, minlength=len(labels)).tolist()
    return listed([f"{label} {count}" for label, count in zip(labels, counts, strict=True)], MOST_CLASSES)


def _lengths(split: Split) -> str:
    """Quantiles of the number of words, parted by white space; of pairs both texts together."""
    both = [split.texts, *([] if split.pairs is None else [split.pairs])]
    words = np.sum([[len(text.split()) for text in texts] for texts in both], axis=0)
    least, median, high, most = np.percentile(words, PERCENTS)
    return f"{least:.0f} to {most:.0f}, median {median:.0f}, 95 % have at most {high:.0f}"


def _duplicates(dataset: Dataset, found: Duplicates) -> list[str]:
    """A line for each kind of text that is there again or says nothing."""
    kinds: tuple[tuple[str, Mapping[str, list[int]]], ...] = (
        ("in train too", found.in_train),
        ("repeated within their split", found.repeated),
        ("there again with another label", found.conflicting),
        ("empty", found.empty),
    )
    return [
        f"{name}: {len(places)} of {len(dataset.splits[name])} texts {what}{_places(dataset.splits[name], places)}"
        for what, by_split in kinds
        for name, places in by_split.items()
    ]


def _places(split: Split, positions: Sequence[int]) -> str:
    return f": {listed([split.ids[at] for at in positions], MOST_PLACES)}" if positions else ""
