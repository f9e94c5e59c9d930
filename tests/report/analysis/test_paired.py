"""The difference between two methods and its interval, against slow references, known cases and simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_rel
from sklearn.metrics import f1_score

from bench.report.analysis import bootstrap
from bench.report.analysis.bootstrap import macro_f1
from bench.report.analysis.paired import Difference, difference, mcnemar
from bench.report.analysis.significance import student_interval
from bench.report.results.predictions import Classes

#: Of 500 simulations of equal methods, the share told apart: 5% and two standard errors of such a share.
AT_MOST = 0.05 + 2 * (0.05 * 0.95 / 500) ** 0.5


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
    rng = np.random.default_rng(bootstrap.RNG_SEED)
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
    monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", at_once)
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
    assert (found.seeds_low, found.seeds_high) == ((None, None) if num_seeds == 1 else (0, 0))
    assert found.significance.verdict == "not told apart"
    assert (found.only_first_right, found.only_second_right) == (0, 0)
    assert found.p_value == (1.0 if num_seeds == 1 else None)


def test_right_where_the_other_is_wrong() -> None:
    truth = np.arange(60) % 3
    right, wrong = np.stack([truth] * 2), np.stack([(truth + 1) % 3] * 2)
    found = difference(truth, right, wrong, 3)
    assert (found.mean, found.low, found.high) == (1, 1, 1)
    assert (found.seeds_low, found.seeds_high) == (1, 1)
    assert (found.only_first_right, found.only_second_right) == (60, 0)
    assert found.significance.verdict == "higher"
    other = difference(truth, wrong, right, 3)
    assert (other.mean, other.low, other.high, other.significance.verdict) == (-1, -1, -1, "lower")


def test_swapped_methods_mirror_the_interval() -> None:
    truth, first, second = drawn(300, 4, 3)
    there, back = difference(truth, first, second, 4), difference(truth, second, first, 4)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-12)
    assert there.seeds_low is not None
    assert there.seeds_high is not None
    assert (back.seeds_low, back.seeds_high) == pytest.approx((-there.seeds_high, -there.seeds_low), abs=1e-12)
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
    assert found.significance.verdict == "not told apart"


def test_interval_over_seeds_worked_example() -> None:
    """Student 1908, page 20: hours of sleep that ten patients gained with one drug over the other.

    The interval is what R prints for ``t.test(extra ~ group, data = sleep, paired = TRUE)``, its signs turned round, as
    in Meys and de Vries, R For Dummies, "How to compare paired data with R".
    """
    gained = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    assert student_interval(gained) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


@pytest.mark.parametrize("num_seeds", [2, 3, 5, 10])
def test_interval_over_seeds_is_that_of_scipy(num_seeds: int) -> None:
    truth, first, second = drawn(80, 4, num_seeds)
    found = difference(truth, first, second, 4, resamples=2)
    by_seed = ([f1(truth, one, 4) for one in method] for method in (first, second))
    assert (found.seeds_low, found.seeds_high) == pytest.approx(ttest_rel(*by_seed).confidence_interval(0.95), rel=1e-9)


def test_one_seed_has_no_interval_over_seeds() -> None:
    found = difference(*drawn(80, 4, 1), 4, resamples=2)
    assert (found.seeds_low, found.seeds_high) == (None, None)


@pytest.mark.parametrize("num_seeds", range(2, 12))
def test_identical_differences_leave_the_verdict_to_the_texts(num_seeds: int) -> None:
    truth, first, second = drawn(300, 3, 1)
    better = np.where(np.arange(300) % 3, truth, first[0])
    for one, verdict in ((better, "higher"), (first[0], "not told apart")):
        found = difference(truth, np.stack([one] * num_seeds), np.repeat(second, num_seeds, axis=0), 3)
        assert found.seeds_low == found.seeds_high == pytest.approx(found.by_seed[0], rel=1e-15)
        assert found.low < found.mean < found.high
        assert found.significance.verdict == verdict


@pytest.mark.parametrize(
    ("texts", "seeds", "verdict"),
    [
        ((0.1, 0.3), (0.1, 0.3), "higher"), ((-0.3, -0.1), (-0.3, -0.1), "lower"),
        ((0.1, 0.3), (-0.1, 0.5), "not told apart"), ((-0.1, 0.5), (0.1, 0.3), "not told apart"),
        ((-0.3, -0.1), (-0.5, 0.1), "not told apart"), ((-0.5, 0.1), (-0.3, -0.1), "not told apart"),
        ((0.1, 0.3), (-0.3, -0.1), "not told apart"), ((-0.3, -0.1), (0.1, 0.3), "not told apart"),
        ((0.1, 0.3), (0.0, 0.4), "not told apart"), ((0.0, 0.4), (0.1, 0.3), "not told apart"),
        ((0.1, 0.3), (None, None), "higher"), ((-0.3, -0.1), (None, None), "lower"),
        ((-0.1, 0.1), (None, None), "not told apart"),
    ],
)  # fmt: skip
def test_a_verdict_needs_both_intervals(
    texts: tuple[float, float], seeds: tuple[float | None, float | None], verdict: str
) -> None:
    found = difference(*drawn(9, 2, 1), 2, resamples=2)
    (low, high), (seeds_low, seeds_high) = texts, seeds
    assert (
        replace(found, low=low, high=high, seeds_low=seeds_low, seeds_high=seeds_high).significance.verdict == verdict
    )


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


def test_mcnemar_published_example() -> None:
    """Two media for culturing sputum, 12 specimens growing on the first alone and 2 on the second alone: P = 0.0129.

    Armitage and Berry, Statistical Methods in Medical Research, 1994, page 127, as StatsDirect's manual works it out,
    "Matched pairs (McNemar, Liddell)".
    """
    assert mcnemar(12, 2) == pytest.approx(0.0129, abs=5e-5)


def test_p_value_of_one_seed() -> None:
    truth = np.zeros(20, dtype=np.int64)
    first, second = truth.copy(), truth.copy()
    first[:1], second[1:8] = 1, 1
    assert difference(truth, first[None], second[None], 2, resamples=10).p_value == 18 / 256


def simulated(
    datasets: int, accuracies: tuple[float, float], num_seeds: int = 1, alike: float = 0.5, spread: float = 0.0
) -> list[Difference]:
    """Two methods of these accuracies on 300 texts at a time.

    Args:
        datasets: how many times.
        accuracies: of the methods, in the long run.
        num_seeds: of each method.
        alike: share of the texts that are as hard for one method as for the other, which pairing must make use of; on
            the others one of two equal methods has more luck than the other, with every seed.
        spread: standard deviation of a method's accuracy over its seeds.
    """
    rng = np.random.default_rng(7)
    found = []
    for _ in range(datasets):
        truth = rng.integers(0, 3, 300)
        hard = rng.random(300)
        rolls = np.where(rng.random((2, 1, 300)) < alike, hard, rng.random((2, 1, 300)))
        wrong = (truth + rng.integers(1, 3, (2, 1, 300))) % 3
        accuracy = np.array(accuracies)[:, None, None] + rng.normal(scale=spread, size=(2, num_seeds, 1))
        first, second = np.where(rolls < accuracy, truth, wrong)
        found.append(difference(truth, first, second, 3, resamples=400))
    return found


def rate_told_apart(found: list[Difference]) -> float:
    return sum(one.significance.verdict != "not told apart" for one in found) / len(found)


def test_equal_methods_are_told_apart_as_seldom_as_the_level_says() -> None:
    assert 0.02 <= rate_told_apart(simulated(200, (0.7, 0.7))) <= 0.09


def test_unequal_methods_are_told_apart() -> None:
    assert rate_told_apart(simulated(40, (0.8, 0.6))) > 0.9


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_few_seeds_that_are_all_that_differs_do_not_mislead(num_seeds: int) -> None:
    found = simulated(500, (0.7, 0.7), num_seeds, alike=1.0, spread=0.1)
    assert rate_told_apart(found) <= AT_MOST
    by_bootstrap = [replace(one, seeds_low=None, seeds_high=None) for one in found]
    assert rate_told_apart(by_bootstrap) > 0.12, "the second interval would not be needed"


def test_texts_that_are_all_that_differs_do_not_mislead() -> None:
    found = simulated(500, (0.7, 0.7), num_seeds=3)
    assert rate_told_apart(found) <= AT_MOST
    assert all(len(set(one.by_seed)) == 1 for one in found)


def test_texts_and_seeds_together_do_not_mislead() -> None:
    found = simulated(500, (0.7, 0.7), num_seeds=3, spread=0.04)
    assert rate_told_apart(found) <= AT_MOST


@pytest.mark.parametrize("accuracies", [(0.8, 0.6), (0.6, 0.8)])
def test_a_large_difference_is_found_with_three_seeds(accuracies: tuple[float, float]) -> None:
    found = simulated(40, accuracies, num_seeds=3, spread=0.02)
    expected = "higher" if accuracies[0] > accuracies[1] else "lower"
    assert sum(one.significance.verdict == expected for one in found) > 36


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
    with pytest.raises(ValueError, match=r"predictions of shape|classes must be"):
        difference(*given, 2)
