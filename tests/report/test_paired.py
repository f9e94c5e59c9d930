"""The difference between two methods and its interval, against slow references, known cases and simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest  # type: ignore[import-untyped]
from sklearn.metrics import f1_score

from bench.report import paired
from bench.report.paired import Classes, Difference, difference, macro_f1, mcnemar


def f1(truth: Classes, predicted: Classes, num_labels: int) -> float:
    return float(f1_score(truth, predicted, labels=range(num_labels), average="macro", zero_division=0.0))


def drawn(num_texts: int, num_labels: int, num_seeds: int, random: int = 0) -> tuple[Classes, Classes, Classes]:
    """Classes of texts, and two methods that are right a little more often than not."""
    rng = np.random.default_rng(random)
    truth = rng.integers(0, num_labels, num_texts)
    guesses = rng.integers(0, num_labels, (2, num_seeds, num_texts))
    first, second = np.where(rng.random(guesses.shape) < 0.5, truth, guesses)
    return truth, first, second


def reference(truth: Classes, first: Classes, second: Classes, num_labels: int, resamples: int) -> list[float]:
    """The same draws one resample after another, each scored by scikit-learn."""
    rng = np.random.default_rng(paired.RNG_SEED)
    num_seeds, num_texts = first.shape
    seeds = rng.integers(0, num_seeds, (resamples, num_seeds))
    means = []
    for row in seeds:
        texts = rng.integers(0, num_texts, num_texts)
        found = [
            f1(truth[texts], first[seed][texts], num_labels) - f1(truth[texts], second[seed][texts], num_labels)
            for seed in row
        ]
        means.append(sum(found) / num_seeds)
    return means


@pytest.mark.parametrize(("num_labels", "num_seeds", "num_texts"), [(5, 3, 60), (2, 1, 40), (7, 2, 9)])
@pytest.mark.parametrize("at_once", [1, 10**6])
def test_interval_is_that_of_a_slow_bootstrap_with_the_same_draws(
    monkeypatch: pytest.MonkeyPatch, num_labels: int, num_seeds: int, num_texts: int, at_once: int
) -> None:
    monkeypatch.setattr(paired, "DRAWS_AT_ONCE", at_once)
    given = drawn(num_texts, num_labels, num_seeds)
    found = difference(*given, num_labels, resamples=30)
    low, high = np.quantile(reference(*given, num_labels, resamples=30), [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
    assert found.low < found.high


@pytest.mark.parametrize("random", range(20))
def test_differences_are_those_of_scikit_learn_to_the_last_bit(random: int) -> None:
    truth, first, second = drawn(50, 6, 3, random)
    truth[truth == 4] = 3  # a class that no text is of
    first[0][first[0] == 5] = 0  # and one that is never predicted
    found = difference(truth, first, second, 6, resamples=2)
    by_seed = [f1(truth, one, 6) - f1(truth, other, 6) for one, other in zip(first, second, strict=True)]
    assert list(found.by_seed) == by_seed
    assert found.mean == pytest.approx(sum(by_seed) / 3, abs=1e-15)
    assert found.texts == 50
    assert macro_f1(truth, first[0], 6) == f1(truth, first[0], 6)


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_identical_predictions_differ_by_nothing(num_seeds: int) -> None:
    truth, first, _ = drawn(200, 4, num_seeds)
    found = difference(truth, first, first.copy(), 4)
    assert (found.mean, found.low, found.high) == (0, 0, 0)
    assert found.verdict == "not told apart"
    assert (found.only_first_right, found.only_second_right) == (0, 0)
    assert found.p_value == (1.0 if num_seeds == 1 else None)


def test_right_where_the_other_is_wrong() -> None:
    truth = np.arange(60) % 3
    right, wrong = np.stack([truth] * 2), np.stack([(truth + 1) % 3] * 2)
    found = difference(truth, right, wrong, 3)
    assert (found.mean, found.low, found.high) == (1, 1, 1)
    assert (found.only_first_right, found.only_second_right) == (60, 0)
    assert found.verdict == "first higher"
    other = difference(truth, wrong, right, 3)
    assert (other.mean, other.low, other.high, other.verdict) == (-1, -1, -1, "second higher")


def test_swapped_methods_mirror_the_interval() -> None:
    truth, first, second = drawn(300, 4, 3)
    there, back = difference(truth, first, second, 4), difference(truth, second, first, 4)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-12)
    assert (back.only_first_right, back.only_second_right) == (there.only_second_right, there.only_first_right)


def test_the_same_report_twice() -> None:
    given = drawn(100, 3, 2)
    assert difference(*given, 3) == difference(*given, 3)


def test_texts_are_drawn_alike_for_both_methods() -> None:
    """A method that errs on one text more than the other: unpaired, texts alone would spread the difference widely."""
    truth = np.arange(400) % 2
    second = truth.copy()
    second[:200] = 1 - second[:200]
    first = second.copy()
    first[0] = truth[0]
    found = difference(truth, first[None], second[None], 2)
    assert 0 <= found.low <= found.mean <= found.high < 0.02


def test_seeds_widen_the_interval() -> None:
    """One seed is all right and the other all wrong, against guesses: the texts' part alone would be narrow."""
    truth = np.arange(1000) % 2
    half = np.where(np.arange(1000) % 4 < 2, truth, 1 - truth)
    found = difference(truth, np.stack([truth, 1 - truth]), np.stack([half, half]), 2)
    assert found.by_seed == pytest.approx((0.5, -0.5))
    assert found.low < -0.45
    assert found.high > 0.45
    assert found.verdict == "not told apart"


def test_counts_of_right_texts_are_means_over_seeds() -> None:
    truth = np.zeros(10, dtype=np.int64)
    first, second = np.zeros((2, 10), dtype=np.int64), np.zeros((2, 10), dtype=np.int64)
    second[0, :4] = 1
    first[1, 5:6] = 1
    found = difference(truth, first, second, 2, resamples=10)
    assert (found.only_first_right, found.only_second_right, found.p_value) == (2.0, 0.5, None)


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (5, 5), (3, 12), (12, 3), (40, 61), (500, 600), (0, 2000)])
def test_mcnemar_is_the_binomial_test(counts: tuple[int, int]) -> None:
    expected = binomtest(counts[0], sum(counts), 0.5).pvalue if sum(counts) else 1.0
    assert mcnemar(*counts) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_worked_example() -> None:
    """1 against 7 of 8 texts: 2 (C(8, 0) + C(8, 1)) / 2^8 = 18 / 256."""
    assert mcnemar(1, 7) == 18 / 256


def test_p_value_of_one_seed() -> None:
    truth = np.zeros(20, dtype=np.int64)
    first, second = truth.copy(), truth.copy()
    first[:1], second[1:8] = 1, 1
    assert difference(truth, first[None], second[None], 2, resamples=10).p_value == 18 / 256


def rate_told_apart(num_texts: int, datasets: int, accuracies: tuple[float, float]) -> float:
    rng = np.random.default_rng(7)
    told = 0
    for _ in range(datasets):
        truth = rng.integers(0, 3, num_texts)
        hard = rng.random(num_texts)
        # Half of the texts are as hard for one method as for the other, which pairing must make use of.
        rolls = np.where(rng.random((2, num_texts)) < 0.5, hard, rng.random((2, num_texts)))
        wrong = (truth + rng.integers(1, 3, (2, num_texts))) % 3
        first, second = np.where(rolls < np.array(accuracies)[:, None], truth, wrong)
        told += difference(truth, first[None], second[None], 3, resamples=400).verdict != "not told apart"
    return told / datasets


def test_equal_methods_are_told_apart_as_seldom_as_the_level_says() -> None:
    assert 0.02 <= rate_told_apart(300, 200, (0.7, 0.7)) <= 0.09


def test_unequal_methods_are_told_apart() -> None:
    assert rate_told_apart(300, 40, (0.8, 0.6)) > 0.9


@pytest.mark.parametrize(("num_seeds", "percent"), paired.SEEDS_MISLEAD_PERCENT.items())
def test_how_often_few_seeds_mislead(num_seeds: int, percent: int) -> None:
    rng = np.random.default_rng(3)
    found = rng.normal(size=(3000, num_seeds))
    drawn = rng.integers(0, num_seeds, (3000, num_seeds))
    shares = np.stack([(drawn == seed).mean(axis=1) for seed in range(num_seeds)])
    low, high = np.quantile(found @ shares, [0.025, 0.975], axis=1)
    assert 100 * ((low > 0) | (high < 0)).mean() == pytest.approx(percent, abs=2.5)


def test_seeds_mislead_as_the_table_says_of_two() -> None:
    """Texts without a say: every text is alike, so a seed's predictions are all right or all wrong."""
    truth = np.zeros(8, dtype=np.int64)
    outcomes: dict[tuple[int, ...], Difference] = {}
    for signs in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        first = np.stack([np.full(8, sign) for sign in signs])
        outcomes[signs] = difference(truth, first, 1 - first, 2)
    told = [signs for signs, found in outcomes.items() if found.verdict != "not told apart"]
    assert told == [(0, 0), (1, 1)]
    assert 100 * len(told) / len(outcomes) == paired.SEEDS_MISLEAD_PERCENT[2]


@pytest.mark.parametrize(
    "given",
    [
        (np.array([0, 1]), np.array([0, 1]), np.array([0, 1])),
        (np.array([0, 1]), np.array([[0, 1]]), np.array([[0, 1], [0, 1]])),
        (np.array([0, 1]), np.array([[0, 1, 1]]), np.array([[0, 1, 1]])),
        (np.zeros(0, dtype=int), np.zeros((1, 0), dtype=int), np.zeros((1, 0), dtype=int)),
        (np.array([0, 2]), np.array([[0, 1]]), np.array([[0, 1]])),
        (np.array([0, 1]), np.array([[0, -1]]), np.array([[0, 1]])),
    ],
)
def test_what_does_not_fit_is_refused(given: tuple[Classes, Classes, Classes]) -> None:
    with pytest.raises(ValueError, match=r"predictions of shapes|classes must be"):
        difference(*given, 2)
