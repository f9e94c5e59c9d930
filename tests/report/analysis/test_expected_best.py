"""Expected best of n trials: worked examples, all subsets, unbiasedness, and how often its interval is right."""

from collections.abc import Callable
from itertools import combinations
from statistics import fmean

import numpy as np
import pytest
from scipy.stats import qmc

from bench.report.analysis.expected_best import curve, expected_best, scores_of
from tests.known import known
from tests.report.tuned import tuning

N = 15
Draw = Callable[[np.random.Generator, int], np.ndarray]


def peaked(u: np.ndarray) -> np.ndarray:
    """A smooth F1 over two options in the unit square, shape [N, 2]."""
    return 0.75 - 1.2 * (u[:, 0] - 0.6) ** 2 - 0.1 * (u[:, 1] - 0.5) ** 2


#: Scores of independent trials: a smooth peak, one with failed trainings, and a normal one, which has no upper end.
DRAWS: dict[str, Draw] = {
    "smooth": lambda rng, count: peaked(rng.random((count, 2))),
    "collapsed": lambda rng, count: np.where(rng.random(count) < 0.4, 0.15, 0.7 + 0.02 * rng.standard_normal(count)),
    "normal": lambda rng, count: 0.7 + 0.03 * rng.standard_normal(count),
}


def truth(draw: Draw, trials: int) -> float:
    return float(draw(np.random.default_rng(1), 20_000 * trials).reshape(20_000, trials).max(axis=1).mean())


def test_worked_example() -> None:
    # Of the three pairs of 0.2, 0.4 and 0.9, two have 0.9 and one has 0.4.
    assert expected_best([0.9, 0.2, 0.4]) == pytest.approx([0.5, 2.2 / 3, 0.9])
    assert expected_best([0.6]) == [0.6]
    with pytest.raises(ValueError, match="no trials"):
        expected_best([])


def test_it_is_the_mean_over_all_subsets() -> None:
    scores = np.random.default_rng(0).random(7).round(1).tolist()  # some are equal
    for trials, value in enumerate(expected_best(scores), start=1):
        assert value == pytest.approx(fmean(map(max, combinations(scores, trials))))


def test_a_failed_trial_counts_as_the_lowest() -> None:
    found = tuning(0.6, None, 0.1)
    assert scores_of(found) == [0.6, 0.0, 0.1]
    assert known(found.floor_macro_f1) > 0.1, "the baseline's F1 would rank a failure above a trained model"
    assert expected_best(scores_of(found))[1] == pytest.approx((0.6 + 0.6 + 0.1) / 3)


@pytest.mark.parametrize("name", DRAWS)
def test_it_is_unbiased_unlike_the_one_with_replacement(name: str) -> None:
    rng = np.random.default_rng(2)
    samples = [DRAWS[name](rng, N) for _ in range(1500)]
    for trials in (5, 10):
        estimates = [expected_best(one.tolist())[trials - 1] for one in samples]
        error = np.std(estimates) / len(samples) ** 0.5
        wanted = truth(DRAWS[name], trials)
        assert abs(fmean(estimates) - wanted) < 4 * error + 0.001
    powers = (np.arange(N + 1) / N) ** 10  # Dodge et al. 2019: the distribution function of N scores to the power of n
    replaced = fmean(float(np.sort(one) @ np.diff(powers)) for one in samples)
    assert wanted - replaced > 8 * error


@pytest.mark.parametrize(("name", "least"), [("smooth", 0.88), ("collapsed", 0.85), ("normal", 0.8)])
def test_coverage_of_independent_trials(name: str, least: float) -> None:
    rng = np.random.default_rng(3)
    curves = [curve(DRAWS[name](rng, N).tolist()) for _ in range(200)]
    for trials in (1, 5, 15):
        value = truth(DRAWS[name], trials)
        points = [points[trials - 1] for points in curves]
        assert fmean(known(one.low) <= value <= known(one.high) for one in points) >= least


def test_quasi_random_trials_make_the_interval_too_wide() -> None:
    curves = [
        curve(peaked(qmc.Sobol(2, rng=np.random.default_rng(seed)).random(16)[:N]).tolist()) for seed in range(100)
    ]
    for trials in (1, 5, 15):
        value = truth(DRAWS["smooth"], trials)
        points = [points[trials - 1] for points in curves]
        assert fmean(known(one.low) <= value <= known(one.high) for one in points) >= 0.95


def test_no_interval_without_variation() -> None:
    assert curve([0.5]) == [(1, 0.5, None, None)]
    assert curve([0.5, 0.5]) == [(1, 0.5, None, None), (2, 0.5, None, None)]


def test_ends_are_possible_and_repeatable() -> None:
    points = curve([0.0, 1.0, 0.5])
    assert all(0 <= known(one.low) <= one.value <= known(one.high) <= 1 for one in points)
    assert curve([0.0, 1.0, 0.5]) == points
