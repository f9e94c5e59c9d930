"""The difference between two methods and its interval, against references and known cases."""

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp, ttest_rel
from sklearn.metrics import f1_score

from bench.report.analysis.macro_f1 import macro_f1
from bench.report.analysis.paired import Difference, difference, mcnemar
from bench.report.analysis.significance import decide, student_interval
from bench.report.results.predictions import Classes


def f1(truth: Classes, predicted: Classes, num_labels: int) -> float:
    return float(f1_score(truth, predicted, labels=range(num_labels), average="macro", zero_division=0.0))


def verdict(found: Difference) -> str:
    return decide([found.estimate])[0].direction


def drawn(num_texts: int, num_labels: int, num_seeds: int, random: int = 0) -> tuple[Classes, Classes, Classes]:
    """Classes of texts, and two methods that are right a little more often than not."""
    rng = np.random.default_rng(random)
    truth = rng.integers(0, num_labels, num_texts)
    guesses = rng.integers(0, num_labels, (2, num_seeds, num_texts))
    first, second = np.where(rng.random(guesses.shape) < 0.5, truth, guesses)
    return truth, first, second


@pytest.mark.parametrize("random", range(20))
def test_differences_are_those_of_scikit_learn_to_the_last_bit(random: int) -> None:
    truth, first, second = drawn(50, 6, 3, random)
    truth[truth == 4] = 3  # a class that no text is of
    first[0][first[0] == 5] = 0  # and one that is never predicted
    found = difference(truth, first, second, 6)
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
    assert verdict(found) == ("unknown" if num_seeds == 1 else "no significant difference")
    assert (found.only_first_right, found.only_second_right) == (0, 0)
    assert found.p_value == (1.0 if num_seeds == 1 else None)


def test_right_where_the_other_is_wrong() -> None:
    truth = np.arange(60) % 3
    right, wrong = np.stack([truth] * 2), np.stack([(truth + 1) % 3] * 2)
    found = difference(truth, right, wrong, 3)
    assert (found.mean, found.low, found.high) == (1, 1, 1)
    assert [side.value for side in found.sides] == [1, 0]
    assert (found.only_first_right, found.only_second_right) == (60, 0)
    assert verdict(found) == "higher"
    other = difference(truth, wrong, right, 3)
    assert (other.mean, other.low, other.high, verdict(other)) == (-1, -1, -1, "lower")


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
    assert -0.003 < found.low <= found.mean <= found.high < 0.01


def test_seeds_widen_the_interval() -> None:
    """One seed is all right and the other all wrong, against guesses: the texts' part alone would be narrow."""
    truth = np.arange(1000) % 2
    half = np.where(np.arange(1000) % 4 < 2, truth, 1 - truth)
    found = difference(truth, np.stack([truth, 1 - truth]), np.stack([half, half]), 2)
    assert found.by_seed == pytest.approx((0.5, -0.5))
    assert found.low < -0.45
    assert found.high > 0.45
    assert verdict(found) == "no significant difference"


def test_interval_over_seeds_worked_example() -> None:
    """Student 1908, page 20: hours of sleep that ten patients gained with one drug over the other.

    The interval is what R prints for ``t.test(extra ~ group, data = sleep, paired = TRUE)``, its signs turned round, as
    in Meys and de Vries, R For Dummies, "How to compare paired data with R".
    """
    gained = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    assert student_interval(gained) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


@pytest.mark.parametrize("num_seeds", [2, 3, 5, 10])
def test_seeds_that_dominate_give_the_interval_of_scipy(num_seeds: int) -> None:
    """One class is right in as many texts of each kind as the seed says, so that no text is harder than another."""
    truth = np.arange(4000) % 2
    shares = np.linspace(0.3, 0.9, num_seeds)
    rolls = np.random.default_rng(0).random((num_seeds, 4000))
    first = np.where(rolls < shares[:, None], truth, 1 - truth)
    second = np.broadcast_to(truth, first.shape)
    found = difference(truth, first, second, 2)
    by_seed = ([f1(truth, one, 2) for one in method] for method in (first, second))
    assert (found.low, found.high) == pytest.approx(ttest_rel(*by_seed).confidence_interval(0.95), rel=0.01)


def test_one_seed_has_the_interval_of_its_texts() -> None:
    """Of two classes of equal size and errors, macro F1 is accuracy: the interval is that of texts' differences."""
    truth = np.arange(400) % 2
    first, second = (np.where(np.arange(400) // 2 % every == 0, 1 - truth, truth) for every in (5, 4))
    found = difference(truth, first[None], second[None], 2)
    texts = ttest_1samp((first == truth).astype(float) - (second == truth), 0)
    assert (found.low, found.high) == pytest.approx(tuple(texts.confidence_interval()), rel=1e-9)
    assert found.estimate.sources == ("texts",)


@pytest.mark.parametrize("num_seeds", range(2, 12))
def test_identical_differences_leave_the_verdict_to_the_texts(num_seeds: int) -> None:
    truth, first, second = drawn(300, 3, 1)
    better = np.where(np.arange(300) % 3, truth, first[0])
    for one, expected in ((better, "higher"), (first[0], "no significant difference")):
        found = difference(truth, np.stack([one] * num_seeds), np.repeat(second, num_seeds, axis=0), 3)
        alone = difference(truth, one[None], second, 3)
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high), rel=1e-9)
        assert found.low < found.mean < found.high
        assert verdict(found) == expected


def test_counts_of_right_texts_are_means_over_seeds() -> None:
    truth = np.zeros(10, dtype=np.int64)
    first, second = np.zeros((2, 10), dtype=np.int64), np.zeros((2, 10), dtype=np.int64)
    second[0, :4] = 1
    first[1, 5:6] = 1
    found = difference(truth, first, second, 2)
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
    assert difference(truth, first[None], second[None], 2).p_value == 18 / 256


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
