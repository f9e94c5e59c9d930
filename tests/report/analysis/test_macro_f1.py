"""Macro F1 and the contributions of texts, against scikit-learn, a slow bootstrap and known cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from bench.report.analysis.macro_f1 import contributions, macro_f1
from bench.report.results.predictions import Classes


def f1(truth: Classes, predicted: Classes, num_labels: int) -> float:
    return float(f1_score(truth, predicted, labels=range(num_labels), average="macro", zero_division=0.0))


def drawn(num_texts: int, num_labels: int, num_runs: int, accuracy: float = 0.6) -> tuple[Classes, Classes]:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, num_labels, num_texts)
    guesses = rng.integers(0, num_labels, (num_runs, num_texts))
    return truth, np.where(rng.random(guesses.shape) < accuracy, truth, guesses)


@given(data=st.data(), num_labels=st.integers(2, 30))
def test_macro_f1_is_scikit_learn_s_absent_classes_included(data: st.DataObject, num_labels: int) -> None:
    present = st.sampled_from(data.draw(st.lists(st.integers(0, num_labels - 1), min_size=1, max_size=4)))
    pairs = data.draw(st.lists(st.tuples(present, present | st.integers(0, num_labels - 1)), min_size=1, max_size=40))
    truth, predicted = np.array(pairs, dtype=np.int64).T
    assert macro_f1(truth, predicted, num_labels) == pytest.approx(f1(truth, predicted, num_labels), abs=1e-12)
    assert contributions(truth, predicted[None], num_labels).mean() == pytest.approx(
        f1(truth, predicted, num_labels), abs=1e-12
    )


@pytest.mark.parametrize(("num_labels", "shares"), [(2, [0.5, 0.5]), (4, [0.4, 0.3, 0.2, 0.1]), (3, [0.9, 0.05, 0.05])])
def test_the_standard_error_is_that_of_a_bootstrap(num_labels: int, shares: list[float]) -> None:
    """Draw 1,000 texts with replacement 2,000 times: 2,000 draws know a deviation to 3 % (two standard errors)."""
    rng = np.random.default_rng(0)
    truth = rng.choice(num_labels, size=1000, p=shares)
    predicted = np.where(rng.random(1000) < 0.7, truth, rng.integers(0, num_labels, 1000))
    resampled = []
    for _ in range(2000):
        texts = rng.integers(0, 1000, 1000)
        resampled.append(macro_f1(truth[texts], predicted[texts], num_labels))
    found = contributions(truth, predicted[None], num_labels)[0]
    assert found.std(ddof=1) / 1000**0.5 == pytest.approx(np.std(resampled), rel=0.05)


def test_two_classes_of_equal_size_and_errors_are_as_accuracy() -> None:
    """Macro F1 is then accuracy p, and a contribution is 1 or 0: the deviation is the root of p (1 - p)."""
    truth = np.arange(2000) % 2
    predicted = np.where(np.arange(2000) // 2 % 5 == 0, 1 - truth, truth)
    found = contributions(truth, predicted[None], 2)[0]
    assert found == pytest.approx((truth == predicted).astype(float), abs=1e-12)
    assert found.std() == pytest.approx((0.8 * 0.2) ** 0.5)


def test_runs_that_are_all_right_or_all_wrong() -> None:
    truth = np.arange(60) % 3
    assert (contributions(truth, np.stack([truth, (truth + 1) % 3]), 3) == [[1.0], [0.0]]).all()


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        (np.array([0, 1]), np.array([0, 1])), (np.array([0, 1]), np.array([[0, 1, 1]])),
        (np.zeros(0, dtype=int), np.zeros((1, 0), dtype=int)), (np.array([0, 2]), np.array([[0, 1]])),
        (np.array([0, 1]), np.array([[0, -1]])),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(truth: Classes, predicted: Classes) -> None:
    with pytest.raises(ValueError, match=r"predictions of shape|classes must be"):
        contributions(truth, predicted, 2)


def test_each_run_has_its_own_contributions() -> None:
    truth, predicted = drawn(80, 3, 4)
    alone = [contributions(truth, one[None], 3)[0] for one in predicted]
    assert (contributions(truth, predicted, 3) == np.stack(alone)).all()
