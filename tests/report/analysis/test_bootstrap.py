"""Intervals of macro F1 over texts and seeds, of one method and of two among many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from bench.report.analysis import bootstrap
from bench.report.analysis.bootstrap import Resampled, macro_f1
from bench.report.analysis.paired import between, difference
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


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_interval_is_that_of_a_slow_bootstrap_with_the_same_draws(num_seeds: int) -> None:
    truth, predicted = drawn(50, 4, num_seeds)
    found = Resampled(truth, predicted, 4, num_seeds, resamples=40)
    rng = np.random.default_rng(bootstrap.RNG_SEED)
    means = []
    for seeds in rng.integers(0, num_seeds, (40, num_seeds)):
        texts = rng.integers(0, 50, 50)
        means.append(sum(f1(truth[texts], predicted[seed][texts], 4) for seed in seeds) / num_seeds)
    assert found.interval(range(num_seeds)) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=1e-12)
    assert found.f1 == [f1(truth, one, 4) for one in predicted]


def test_interval_of_an_accuracy_is_that_of_a_proportion() -> None:
    """Two labels alike, errors alike: macro F1 is close to accuracy, of standard deviation root of p (1 - p) / N."""
    truth = np.arange(2000) % 2
    predicted = np.where(np.arange(2000) // 2 % 5 == 0, 1 - truth, truth)[None]
    low, high = Resampled(truth, predicted, 2, 1, resamples=4000).interval([0])
    margin = 1.959964 * (0.8 * 0.2 / 2000) ** 0.5
    assert (low, high) == pytest.approx((0.8 - margin, 0.8 + margin), abs=0.0015)


def test_two_methods_among_many_are_compared_as_alone() -> None:
    truth, predicted = drawn(80, 3, 6)
    runs = Resampled(truth, predicted, 3, 2, resamples=200)
    assert between(runs, [2, 3], [4, 5]) == difference(truth, predicted[2:4], predicted[4:], 3, resamples=200)
    assert between(runs, [4, 5], [0, 1]) == difference(truth, predicted[4:], predicted[:2], 3, resamples=200)


def test_seeds_of_unlike_number() -> None:
    """A row that lost a seed: its interval is over those that it has."""
    truth, predicted = drawn(300, 3, 5)
    runs = Resampled(truth, predicted, 3, 3, resamples=500)
    low, high = runs.interval([3, 4])
    assert low < np.mean(runs.f1[3:]) < high
    assert runs.interval([3], minus=[3]) == (0, 0)


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
        Resampled(truth, predicted, 2, 1)
