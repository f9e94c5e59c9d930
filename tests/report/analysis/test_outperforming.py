"""P(A > B): known values, and how often its interval is right."""

from statistics import fmean

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import nct

from bench.report.analysis.outperforming import outperforming
from tests.known import known


def test_it_is_the_normal_probability_of_a_positive_difference() -> None:
    found = outperforming([0.01, 0.02, 0.03])
    assert found.probability == pytest.approx(float(ndtr(2.0)))
    for end, share in ((found.low, 0.975), (found.high, 0.025)):
        assert nct.cdf(2 * 3**0.5, 2, 3**0.5 * float(ndtri(known(end)))) == pytest.approx(share, abs=1e-4)


def test_exchanging_the_methods_exchanges_the_ends() -> None:
    one, other = outperforming([0.05, 0.01, 0.02]), outperforming([-0.05, -0.01, -0.02])
    assert one.probability == pytest.approx(1 - other.probability)
    assert (known(one.low), known(one.high)) == pytest.approx((1 - known(other.high), 1 - known(other.low)))


@pytest.mark.parametrize(("differences", "wanted"), [([0.5, 0.5], 1.0), ([-0.5, -0.5], 0.0), ([0.0, 0.0], 0.5)])
def test_equal_differences_have_no_interval(differences: list[float], wanted: float) -> None:
    assert outperforming(differences) == (wanted, None, None)


def test_nearly_equal_differences_end() -> None:
    assert outperforming([0.5, 0.5 + 1e-12]) == (1.0, 1.0, 1.0)
    assert outperforming([-0.5, -0.5 - 1e-12]) == pytest.approx((0.0, 0.0, 0.0))


def test_one_run_says_nothing() -> None:
    with pytest.raises(ValueError, match="two or more"):
        outperforming([0.1])


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_coverage(seeds: int, ratio: float) -> None:
    rng = np.random.default_rng(6)
    found = [outperforming(rng.normal(ratio, 1, seeds).tolist()) for _ in range(600)]
    assert abs(fmean(known(one.low) <= ndtr(ratio) <= known(one.high) for one in found) - 0.95) <= 0.03
    assert abs(fmean(one.probability for one in found) - ndtr(ratio)) <= 0.05
