"""Floors of macro F1, against scikit-learn and against answers drawn at random."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from bench.record.baselines import majority_macro_f1, random_macro_f1

COUNTS = [(50, 50), (90, 10), (20, 20, 20, 20, 20), (60, 30, 8, 2), (558, 358, 123, 382), (100, 0), (3, 0, 97)]


def f1(truth: np.ndarray, predicted: np.ndarray, num_labels: int) -> float:
    return float(f1_score(truth, predicted, labels=range(num_labels), average="macro", zero_division=0.0))


@pytest.mark.parametrize("counts", COUNTS)
def test_the_most_frequent_label(counts: tuple[int, ...]) -> None:
    truth = np.repeat(np.arange(len(counts)), counts)
    always = np.full_like(truth, np.argmax(counts))
    assert majority_macro_f1(counts) == pytest.approx(f1(truth, always, len(counts)), abs=1e-12)


@pytest.mark.parametrize("counts", COUNTS)
def test_each_label_equally_often(counts: tuple[int, ...]) -> None:
    """2,000 times; the standard error of the mean is below 0.0012, and a ratio of means is no mean of ratios."""
    truth = np.repeat(np.arange(len(counts)), counts)
    drawn = np.random.default_rng(0).integers(0, len(counts), (2000, len(truth)))
    hits = [((drawn == label) & (truth == label)).sum(axis=1) for label in range(len(counts))]
    both = [(drawn == label).sum(axis=1) + count for label, count in enumerate(counts)]
    simulated = np.mean([2 * hit / np.maximum(total, 1) for hit, total in zip(hits, both, strict=True)])
    assert random_macro_f1(counts) == pytest.approx(simulated, abs=0.005)
    assert f1(truth, drawn[0], len(counts)) == pytest.approx(
        np.mean([2 * hit[0] / max(total[0], 1) for hit, total in zip(hits, both, strict=True)]), abs=1e-12
    )


def test_balanced_labels_by_hand() -> None:
    """Of C labels alike: F1 1 / C at random; always one of them: 2 / (C + 1) of it, shared among C."""
    assert random_macro_f1([7] * 4) == pytest.approx(1 / 4)
    assert majority_macro_f1([7] * 4) == pytest.approx(2 / 5 / 4)


@pytest.mark.parametrize("counts", [(), (0, 0), (5, -5)])
def test_no_texts(counts: tuple[int, ...]) -> None:
    for floor in (majority_macro_f1, random_macro_f1):
        with pytest.raises(ValueError, match="label_counts must be"):
            floor(counts)
