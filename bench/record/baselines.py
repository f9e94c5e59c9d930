"""Macro F1 of answers that never read a text: what a method must beat to have learnt anything."""

from collections.abc import Sequence


def majority_macro_f1(label_counts: Sequence[int]) -> float:
    """Macro F1 of always answering the most frequent label.

    With share p of the texts, that label has precision p and recall 1, so F1 = 2 p / (p + 1); the others have 0.

    Args:
        label_counts: texts of each label, those without a text too.

    Raises:
        ValueError: no texts.
    """
    top = max(_shares(label_counts))
    return 2 * top / (top + 1) / len(label_counts)


def random_macro_f1(label_counts: Sequence[int]) -> float:
    """Macro F1 to expect of answering each of C labels equally often, whatever the text.

    A label of share p has precision p and recall 1 / C, so F1 = 2 p / (C p + 1), and 0 where no text has it. That is
    2 E[TP] / E[actual + predicted] and not E of the ratio; the mean over many draws is lower by less than
    0.002 at 100 texts.

    Args:
        label_counts: texts of each label, those without a text too.

    Raises:
        ValueError: no texts.
    """
    count = len(label_counts)
    return sum(2 * share / (count * share + 1) for share in _shares(label_counts)) / count


def _shares(label_counts: Sequence[int]) -> list[float]:
    texts = sum(label_counts)
    if texts <= 0 or min(label_counts) < 0:
        raise ValueError(f"floors of these counts of texts: {list(label_counts)}")
    return [count / texts for count in label_counts]
