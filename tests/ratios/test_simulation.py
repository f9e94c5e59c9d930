"""Whether the intervals hold the true ratio on a host whose speed changes, with the true ratio known.

``TUNEBENCH_SIMULATIONS`` in the environment is another number of repeats; docs/measuring.md states the figures of 150.
"""

import math
import os
import statistics
from dataclasses import dataclass

import pytest

from bench.ratios.estimate import Ratio, estimate, log_ratios
from bench.ratios.turns import Turns
from bench.ratios.window import Window
from tests.ratios.fakes import FakeResident, Host, make_cell

REPEATS = int(os.environ.get("TUNEBENCH_SIMULATIONS", "60"))
SPEED = 1.5
#: Half-width to reach in percent, and time in seconds.
WITHIN, SECONDS = 1.0, 60.0


@dataclass(frozen=True)
class Found:
    """The intervals of all repeats."""

    ratios: list[Ratio]

    @property
    def coverage(self) -> float:
        return sum(one.low <= SPEED <= one.high for one in self.ratios) / len(self.ratios)

    @property
    def deviations_percent(self) -> list[float]:
        return [100 * math.log(one.ratio / SPEED) for one in self.ratios]

    @property
    def bias_percent(self) -> float:
        return statistics.fmean(self.deviations_percent)

    @property
    def bias_error_percent(self) -> float:
        """The standard error of the bias."""
        return statistics.stdev(self.deviations_percent) / math.sqrt(len(self.ratios))

    @property
    def reached(self) -> float:
        return sum(one.within_percent <= WITHIN for one in self.ratios) / len(self.ratios)


def ignore(name: str, ratio: Ratio | None) -> None:
    """Show no progress."""


def simulate(methods: int = 2, sensitivity: float = 1.0, **host: float) -> Found:
    """Measure the last of several methods; the others are as fast as the reference."""
    found = []
    for seed in range(REPEATS):
        machine, windows = Host(seed, **host), list[Window]()
        names = ["a", *(f"b{number}" for number in range(methods - 2)), "z"]
        members = [FakeResident(make_cell(name), machine) for name in names[:-1]]
        members.append(FakeResident(make_cell("z"), machine, SPEED, sensitivity=sensitivity))
        turns = Turns("training", members, windows.append, ignore, machine.clock)
        turns.measure(WITHIN, SECONDS * (methods - 1))
        ratio = estimate(log_ratios(windows, members[-1].cell.id, members[0].cell.id))
        assert ratio is not None
        found.append(ratio)
    return Found(found)


def least_coverage() -> float:
    """95 % less three standard errors of the simulation, and 1 % for the early end."""
    return 0.94 - 3 * math.sqrt(0.95 * 0.05 / REPEATS)


@pytest.mark.parametrize(
    "case",
    [
        {}, {"methods": 4}, {"noise": 0.05}, {"wander": 0.2, "shift": 0.3},
        {"wander": 0.0, "shift": 0.0, "noise": 0.01, "disturbed": 0.0},
    ],
    ids=["usual", "four methods", "noisy", "unsteady", "quiet"],
)  # fmt: skip
def test_an_interval_holds_the_true_ratio(case: dict[str, float]) -> None:
    found = simulate(**case)  # type: ignore[arg-type]
    print(case, found.coverage, found.bias_percent, found.reached)
    assert found.coverage >= least_coverage()
    assert abs(found.bias_percent) < 0.1 + 3 * found.bias_error_percent


def test_a_method_that_feels_the_host_less_gets_a_wider_interval() -> None:
    """Its ratio changes with the host, so that blocks correlate."""
    alike, apart = simulate(), simulate(sensitivity=0.8)
    assert apart.coverage >= least_coverage() - 0.1
    assert apart.reached < alike.reached
