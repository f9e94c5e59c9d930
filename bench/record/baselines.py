"""Majority-class and uniform-random baselines of macro F1, which a method must beat to have learnt anything."""

from collections.abc import Sequence


def majority_macro_f1(label_counts: Sequence[int]) -> float:
    """Macro F1 of always answering the most frequent label.

    A label with share p of the texts has precision p and recall 1, so F1 = 2 p / (p + 1); the others have 0.

    Args:
        label_counts: number of texts of each label, zeros included.

    Raises:
        ValueError: no texts.
    """
    top = max(_shares(label_counts))
    return 2 * top / (top + 1) / len(label_counts)


def random_macro_f1(label_counts: Sequence[int]) -> float:
    """Expected macro F1 of answering each of C labels with equal probability.

    A label with share p has precision p and recall 1 / C, so F1 = 2 p / (C p + 1), and 0 if no text has it. This is
    2 E[TP] / E[actual + predicted], not the expectation of the ratio; at 100 texts the mean over many draws is lower
    by less than 0.002.

    Args:
        label_counts: number of texts of each label, zeros included.

    Raises:
        ValueError: no texts.
    """
    count = len(label_counts)
    return sum(2 * share / (count * share + 1) for share in _shares(label_counts)) / count


def _shares(label_counts: Sequence[int]) -> list[float]:
    texts = sum(label_counts)
    if texts <= 0 or min(label_counts) < 0:
        raise ValueError(f"label_counts must be at least 0 and not all 0, got {list(label_counts)}")
    return [count / texts for count in label_counts]
