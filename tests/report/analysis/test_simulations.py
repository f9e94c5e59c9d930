"""What is concluded of differences, on predictions with a known truth: false positives, coverage and power.

The figures of docs/statistics.md are those of ``TUNEBENCH_SIMULATIONS=full``, which prints them and takes minutes.
"""

from itertools import combinations

import numpy as np
import pytest

from bench.report.analysis.macro_f1 import Contributions
from bench.report.analysis.significance import Decision, Estimate, decide
from bench.report.analysis.variance import over_texts_and_seeds
from tests.report.analysis.generated import FULL, MODELS

TABLES = 4000 if FULL else 250
F1 = 0.75


def above(share: float, times: int = TABLES) -> float:
    """A share that simulations exceed by chance once in 1,000 times."""
    return share + 3.1 * float(np.sqrt(share * (1 - share) / times))


def difference(table: Contributions) -> Estimate:
    return over_texts_and_seeds(table[0] - table[1])


def covers(estimate: Estimate, truth: float) -> bool:
    low, high = estimate.interval
    return low <= truth <= high


def decided(table: Contributions) -> list[Decision]:
    """The decisions on all pairs of methods."""
    return decide(
        [over_texts_and_seeds(table[one] - table[other]) for one, other in combinations(range(len(table)), 2)]
    )


def said(name: str, **figures: float) -> None:
    """Print the figures of a full simulation."""
    if FULL:
        print(f"\n{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in figures.items()))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("num_seeds", [3, 5])
@pytest.mark.parametrize("num_texts", [400, 2000] if FULL else [400])
def test_equal_methods_and_coverage(name: str, num_seeds: int, num_texts: int) -> None:
    found = list(MODELS[name].tables(TABLES, (F1, F1), num_seeds, num_texts))
    wrong = float(np.mean([decide([difference(one)])[0].direction != "no significant difference" for one in found]))
    mean = float(np.mean([covers(over_texts_and_seeds(one[0]), F1) for one in found]))
    said(f"{name}, {num_seeds} seeds, {num_texts} texts", false_positives=wrong, coverage_of_mean=mean)
    assert wrong <= above(0.06)
    assert 1 - mean <= above(0.06)


@pytest.mark.parametrize("num_seeds", [3, 5])
@pytest.mark.parametrize("count", [2, 4, 8])
@pytest.mark.parametrize("name", MODELS)
def test_equal_methods_of_a_table(name: str, count: int, num_seeds: int) -> None:
    times = TABLES if FULL else 100
    found = MODELS[name].tables(times, (F1,) * count, num_seeds, 400)
    wrong = float(
        np.mean([any(one.direction != "no significant difference" for one in decided(table)) for table in found])
    )
    said(f"{name}, {count} methods, {num_seeds} seeds", tables_with_a_false_row=wrong)
    assert wrong <= above(0.05, times)
