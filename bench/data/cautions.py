"""What a reader of a row must know of its data, a sentence each."""

from bench.data.duplicates import Duplicates
from bench.data.labels import alike
from bench.data.texts import Dataset
from bench.text.message import listed

#: A share of texts above this is told.
TOLD_ABOVE = 0.01
#: Missing classes that a sentence names.
MOST_CLASSES = 5


def cautions(dataset: Dataset, duplicates: Duplicates, split: str) -> tuple[str, ...]:
    """Sentences about labels that are spelt alike, classes that are missing, and texts that tell less than they seem.

    Args:
        dataset: as used.
        duplicates: of its texts.
        split: that the quality is measured on.
    """
    return (*_labels(dataset), *_ceiling(dataset, split), *_texts(dataset, duplicates, split))


def _labels(dataset: Dataset) -> list[str]:
    return [
        f"labels {', '.join(map(repr, group))} differ by case, blanks or Unicode form alone, and are classes apart"
        for group in alike(dataset.labels)
    ]


def macro_f1_ceiling(dataset: Dataset, split: str) -> float:
    """The macro F1 of predictions without a mistake: a class that has no text in a split counts with F1 0."""
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
        (sum(map(len, duplicates.conflicting.values())), every, "texts stand there again with another label"),
        (sum(map(len, duplicates.empty.values())), every, "texts are empty"),
    )
    return [
        f"{count / total:.1%} of the {what} ({count} of {total})".replace("%", " %")
        for count, total, what in found
        if count > TOLD_ABOVE * total
    ]
