"""Bounds of scores over several classes: certain where they are left, silent inside."""

import numpy as np
import pytest

from bench.commands.audit.feasibility.multiclass import excluded
from tests.commands.audit.feasibility.printed import intervals
from tests.commands.audit.true_tables import confusion, scores

EMOTIONS = (558, 358, 123, 382)


@pytest.mark.parametrize(
    ("texts", "score"),
    [
        ("0.7720,0.7265,0.7433,0.7296", None),
        ("0.7720,,0.1500,", "recall"),  # of no class, and far below any average
        ("0.9500,,0.9000,0.3000", "f1"),
        ("0.2998,,,0.9000", "f1"),
        ("1.0000,,1.0000,1.0000", None),
        ("0.7720,,,", None),
    ],
)
def test_what_accuracy_and_class_counts_exclude(texts: str, score: str | None) -> None:
    assert excluded(EMOTIONS, intervals(texts), ["macro", "weighted"]) == score


def test_macro_recall_is_decided_by_integers() -> None:
    # 5 of 6 right in classes of 2 and 4: the macro recall is (1/2 + 1) / 2 or (1 + 3/4) / 2.
    sizes = (2, 4, 1)
    possible = {round((2 + 1) / 3, 4), round((0.5 + 1 + 1) / 3, 4), round((1 + 0.75 + 1) / 3, 4), round(2 / 3, 4)}
    for text in ("0.8333", "0.9167", "0.6667", "0.9000", "0.8000"):
        verdict = excluded(sizes, intervals(f"0.8571,,{text},"), ["macro"])
        assert (verdict is None) is (float(text) in possible)


def test_true_scores_are_never_excluded() -> None:
    random = np.random.default_rng(8)
    for number in range(60):
        sizes = random.integers(1, 300, int(random.integers(3, 6)))
        averaging = ("class", "macro", "weighted")[number % 3]
        texts = ",".join(f"{value:.4f}" for value in scores(confusion(sizes, random), averaging))
        assert excluded([int(size) for size in sizes], intervals(texts)) is None
