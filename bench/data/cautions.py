"""Cautions about the data behind a row, one sentence each."""

from bench.data.duplicates import Duplicates
from bench.data.labels import nearly_equal
from bench.data.texts import Dataset
from bench.text.message import listed

#: Share of texts above which a caution is given.
CAUTION_FRACTION = 0.01
#: Missing classes that a sentence names.
MOST_CLASSES = 5


def cautions(dataset: Dataset, duplicates: Duplicates, split: str) -> tuple[str, ...]:
    """Sentences about nearly equal labels, missing classes, and duplicate, conflicting or empty texts.

    Args:
        dataset: dataset as used.
        duplicates: duplicates among its texts.
        split: split that quality is measured on.
    """
    return (*_labels(dataset), *_ceiling(dataset, split), *_texts(dataset, duplicates, split))


def _labels(dataset: Dataset) -> list[str]:
    return [
        f"labels {', '.join(map(repr, group))} differ only by case, blanks or Unicode form and are separate classes"
        for group in nearly_equal(dataset.labels)
    ]


def macro_f1_ceiling(dataset: Dataset, split: str) -> float:
    """Macro F1 of perfect predictions: a class without a text in the split counts with F1 0."""
    return len(set(dataset.splits[split].labels)) / len(dataset.labels)


def _ceiling(dataset: Dataset, split: str) -> list[str]:
    there = set(dataset.splits[split].labels)
    missing = [name for index, name in enumerate(dataset.labels) if index not in there]
    if not missing:
        return []
    named = listed(missing, MOST_CLASSES) + (" classes" if len(missing) > MOST_CLASSES else "")
    return [f"{split} has no text of {named}: macro F1 can reach {macro_f1_ceiling(dataset, split):.3f} at most"]


def _texts(dataset: Dataset, duplicates: Duplicates, split: str) -> list[str]:
    every = sum(map(len, dataset.splits.values()))
    of_split = len(dataset.splits[split])
    found = (
        (len(duplicates.in_train[split]), of_split, f"{split} texts are in train too"),
        (sum(map(len, duplicates.conflicting.values())), every, "texts occur again with another label"),
        (sum(map(len, duplicates.empty.values())), every, "texts are empty"),
    )
    return [
        f"{count / total:.1%} of the {what} ({count} of {total})".replace("%", " %")
        for count, total, what in found
        if count > CAUTION_FRACTION * total
    ]
