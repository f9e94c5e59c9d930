"""The variance of a mean over texts and seeds, against a layout worked by hand and the cases at its ends."""

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from bench.report.analysis.variance import over_texts_and_seeds


def test_worked_example() -> None:
    """Mean squares: seeds 3 x 4.5 = 13.5, texts 2 x 3.25 = 6.5, interaction 3 / 2 = 1.5.

    The variance is (13.5 + 6.5 - 1.5) / 6, and its degrees of freedom (2.25 + 5 / 6)² / (2.25² / 1 + (5 / 6)² / 2).
    """
    found = over_texts_and_seeds(np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 8.0]]))
    assert (found.value, found.sources) == (3.5, ("texts", "seeds"))
    both, seeds, texts = found.errors
    assert both.size == pytest.approx((18.5 / 6) ** 0.5, rel=1e-12)
    assert both.degrees_of_freedom == pytest.approx((2.25 + 5 / 6) ** 2 / (2.25**2 + (5 / 6) ** 2 / 2), rel=1e-12)
    assert seeds == pytest.approx((1.5, 1))
    assert texts == pytest.approx(((3.25 / 3) ** 0.5, 2))
    assert found.interval[1] - 3.5 == pytest.approx(t.ppf(0.975, 1) * 1.5), "the widest of the three"


def test_one_seed_has_the_variance_of_texts() -> None:
    values = np.array([0.2, 0.4, 0.9, 1.1])
    found = over_texts_and_seeds(values[None])
    assert (found.sources, found.errors[0].degrees_of_freedom) == (("texts",), 3)
    assert found.interval == pytest.approx(tuple(ttest_1samp(values, 0).confidence_interval()))
    assert found.p_value == pytest.approx(ttest_1samp(values, 0).pvalue)


def test_seeds_that_agree_leave_the_variance_of_texts() -> None:
    values = np.random.default_rng(0).normal(size=50)
    found, alone = over_texts_and_seeds(np.stack([values] * 3)), over_texts_and_seeds(values[None])
    assert found.errors[0] == pytest.approx(alone.errors[0])
    assert found.interval == pytest.approx(alone.interval)
    assert found.sources == ("texts", "seeds")


def test_texts_that_agree_leave_the_variance_between_seeds() -> None:
    found = over_texts_and_seeds(np.array([[0.1] * 9, [0.2] * 9, [0.6] * 9]))
    assert found.interval == pytest.approx(tuple(ttest_1samp([0.1, 0.2, 0.6], 0).confidence_interval()))


def test_interaction_is_not_counted_twice() -> None:
    """Values that are independent in every text and seed: their mean has the variance 1 / (S N)."""
    values = np.random.default_rng(1).normal(size=(400, 5, 100))
    variances = [over_texts_and_seeds(one).errors[0].size ** 2 for one in values]
    assert 1 / 500 <= np.mean(variances) < 1.25 / 500, "max(., 0) may only add"
    twice = [one.mean(axis=1).var(ddof=1) / 5 + one.mean(axis=0).var(ddof=1) / 100 for one in values]
    assert np.mean(twice) == pytest.approx(2 / 500, rel=0.05)


def test_nothing_that_varies() -> None:
    found = over_texts_and_seeds(np.zeros((3, 4)))
    assert (found.interval, found.p_value) == ((0, 0), 1)
    assert over_texts_and_seeds(np.ones((3, 4))).p_value == 0


def test_one_text_says_nothing_of_others() -> None:
    for num_seeds in (1, 2):
        found = over_texts_and_seeds(np.ones((num_seeds, 1)))
        assert found.interval == (-np.inf, np.inf)
        assert found.p_value == 1
