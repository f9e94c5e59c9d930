"""Decisions on families of differences: Holm's method, one seed, and the detectable difference."""

import pytest
from scipy.stats import chi2, nct, t

from bench.report.analysis.significance import (
    ONE_SEED,
    Estimate,
    StandardError,
    decide,
    holm,
    over_seeds,
)
from tests.known import known

BOTH = ("texts", "seeds")


def estimate(value: float, standard_error: float = 1.0, degrees: float = 1e9) -> Estimate:
    return Estimate(value, (StandardError(standard_error, degrees),), BOTH)


def test_holm_published_example() -> None:
    """Wright, Adjusted P-Values for Simultaneous Inference, Biometrics 48, 1992: Holm's p are those of R's p.adjust."""
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.04, 0.01, 0.5, 0.6]) == pytest.approx([0.12, 0.04, 1.0, 1.0])
    assert holm([]) == []


def test_a_single_difference_is_decided_by_its_interval() -> None:
    higher, lower, neither = (decide([estimate(value)])[0] for value in (1.97, -1.97, 1.95))
    assert (higher.direction, lower.direction, neither.direction) == ("higher", "lower", "no significant difference")
    assert neither.p_value == pytest.approx(0.0512, abs=5e-5)
    assert higher.mirrored.direction == "lower"
    assert higher.mirrored.estimate == estimate(-1.97)


def test_more_differences_need_more() -> None:
    """Of three: the first against 0.05 / 3 (2.39 standard errors), the next against 0.05 / 2 (2.24)."""
    assert [one.direction for one in decide([estimate(2.41), estimate(-2.26), estimate(0.0)])] == [
        "higher", "lower", "no significant difference",
    ]  # fmt: skip
    assert {one.direction for one in decide([estimate(2.38), estimate(-2.26), estimate(0.0)])} == {
        "no significant difference"
    }


def test_detectable_difference_published_multiplier() -> None:
    """Bloom 1995: 2.80 standard errors at 80 % power and a two-sided level of 5 %."""
    (found,) = decide([estimate(0.0, 0.01)])
    assert found.detectable == pytest.approx(0.0280, abs=5e-5)
    (few,) = decide([estimate(0.0, 0.01, 4)])
    without_bias = known(few.detectable) * (chi2.median(4) / 4) ** 0.5
    assert nct.sf(t.ppf(0.975, 4), 4, without_bias / 0.01) == pytest.approx(0.8, abs=1e-6)


def test_detectable_difference_of_a_family_is_at_the_level_where_it_stopped() -> None:
    found = decide([estimate(9.0), estimate(0.0), estimate(0.1)])
    assert found[1].detectable == pytest.approx(t.ppf(1 - 0.025 / 2, 1e9) + t.ppf(0.8, 1e9), rel=1e-6)


def test_one_seed_decides_nothing() -> None:
    alone = Estimate(0.5, (StandardError(0.01, 99),), ("texts",))
    found, other = decide([alone, estimate(3.0)])
    assert (found.direction, found.reason, found.p_value, found.detectable) == ("unknown", ONE_SEED, None, None)
    assert found.estimate == alone
    assert other.p_value == pytest.approx(estimate(3.0).p_value), "an unknown difference is none of the family"


def test_an_unknown_difference_keeps_its_reason() -> None:
    (found,) = decide(["no seed that both measured"])
    assert (found.direction, found.estimate, found.reason) == ("unknown", None, "no seed that both measured")


def test_nothing_that_varies() -> None:
    same, other = decide([over_seeds([0.0, 0.0]), over_seeds([0.1, 0.1])])
    assert (same.direction, same.detectable) == ("no significant difference", None)
    assert other.direction == "higher"
