"""False alarms and power of a comparison of 8 rows x 3 seeds, by simulation with a known truth.

    TUNEBENCH_SIMULATIONS=full python -m pytest tests/commands/compare/test_simulation.py -s

Each cell has a coefficient of variation of 7 %, half of its variance from a host that drifts from cell to cell and is
common to all metrics, the rest from the cell and from the metric. The full simulation prints the figures of
docs/comparing.md.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from bench.commands.compare.judging import judge
from bench.commands.compare.moves import Rules
from bench.commands.compare.pairs import Pair
from bench.record.record import Record
from bench.record.timings import Latency
from tests.commands.compare.support import alone
from tests.known import known
from tests.report.conftest import MakeRecord

Floats = NDArray[np.float64]
FULL = os.environ.get("TUNEBENCH_SIMULATIONS") == "full"
ROWS, SEEDS = 8, 3
#: Columns of a simulated cell; times and energies per sample, so that more is worse.
TRAINING, INFERENCE, LATENCY = slice(0, 2), slice(2, 4), slice(4, 6)
METRICS = 6
EVERYTHING = slice(0, METRICS)
SPEED_OF_TRAINING = slice(0, 1)
VARIATION = 0.07


@dataclass(frozen=True)
class Host:
    """A host: the path of its drift over the cells, and how the rest of the variance is divided.

    Attributes:
        path: drift of consecutive cells with a deviation of 1.
        of_cell: share of the rest that all metrics of a cell have in common.
    """

    path: Callable[[Generator, int], Floats]
    of_cell: float

    def costs(self, random: Generator) -> Floats:
        """The logarithms of the costs of a run, shape (seeds, rows, metrics), in the order of measuring."""
        half = VARIATION / 2**0.5
        drift = half * self.path(random, SEEDS * ROWS).reshape(SEEDS, ROWS, 1)
        cell = half * self.of_cell**0.5 * random.normal(size=(SEEDS, ROWS, 1))
        metric = half * (1 - self.of_cell) ** 0.5 * random.normal(size=(SEEDS, ROWS, METRICS))
        return np.asarray(drift + cell + metric)


def autoregressive(random: Generator, count: int) -> Floats:
    """Neighbouring cells correlate by 0.9."""
    path = random.normal(size=count)
    for at in range(1, count):
        path[at] = 0.9 * path[at - 1] + (1 - 0.9**2) ** 0.5 * path[at]
    return path


def random_walk(random: Generator, count: int) -> Floats:
    """A walk whose expected variance over a run is 1."""
    return np.asarray(random.normal(size=count).cumsum() * (6 / count) ** 0.5)


HOSTS = {
    "drift, rest of cell and metric": Host(autoregressive, 0.5),
    "drift, rest of the cell": Host(autoregressive, 1.0),
    "drift, rest of the metric": Host(autoregressive, 0.0),
    "random walk, rest of cell and metric": Host(random_walk, 0.5),
}


class Study:
    """Cells whose costs are filled in."""

    def __init__(self, make_record: MakeRecord) -> None:
        self.cells = [[make_record(method=f"m{row}", seed=seed) for row in range(ROWS)] for seed in range(SEEDS)]

    def run(self, costs: Floats) -> list[list[Record]]:
        """The records of a run with these logarithms of costs, by seed and row."""
        return [
            [_measured(cell, np.exp(cost).tolist()) for cell, cost in zip(*of_seed, strict=True)]
            for of_seed in zip(self.cells, costs, strict=True)
        ]

    def verdict(self, a: Floats, b: Floats) -> tuple[bool, set[int]]:
        """Whether a comparison ends with a regression, and the rows that have one."""
        before, after = self.run(a), self.run(b)
        rows = [
            tuple(Pair(alone(before[seed][row]), alone(after[seed][row])) for seed in range(SEEDS))
            for row in range(ROWS)
        ]
        moves, common = judge(rows, Rules())
        places = {id(row): at for at, row in enumerate(rows)}
        worse = {places[id(one.row)] for one in moves if one.regression}
        return bool(worse) or any(one.regression for one in common), worse


def _measured(cell: Record, costs: list[float]) -> Record:
    training, inference = known(cell.training), known(cell.inference)
    speeds = [
        known(speed).model_copy(update={"samples_per_second": 100 / time, "energy_joules_per_sample": energy})
        for speed, time, energy in zip((training.speed, inference), costs[0:3:2], costs[1:4:2], strict=True)
    ]
    latency = tuple(
        Latency(batch_size=size, timed_batches=30, p50_seconds=seconds, p90_seconds=seconds, p99_seconds=None)
        for size, seconds in zip((1, 32), costs[4:], strict=True)
    )
    changes = {"training": training.model_copy(update={"speed": speeds[0]}), "inference": speeds[1], "latency": latency}
    return cell.model_copy(update=changes)


def outcomes(study: Study, host: Host, count: int, slower: float, what: slice) -> Iterator[tuple[bool, set[int]]]:
    """The verdicts of comparisons in which one row of B became slower by a fraction."""
    random = np.random.default_rng(1)
    for _ in range(count):
        a, b = host.costs(random), host.costs(random)
        b[:, 3, what] -= np.log1p(-slower)
        yield study.verdict(a, b)


@pytest.fixture(scope="module")
def study() -> Study:
    from tests.report.conftest import _record

    return Study(_record)


@pytest.mark.parametrize("name", HOSTS)
def test_false_alarms(study: Study, name: str) -> None:
    count = 600 if FULL else 60
    alarms = sum(regressed for regressed, _ in outcomes(study, HOSTS[name], count, 0.0, EVERYTHING))
    print(f"\n{name}: false alarms {100 * alarms / count:.1f} %")
    assert alarms / count <= (0.04 if FULL else 0.10)


@pytest.mark.parametrize(
    ("slower", "what", "least"),
    [
        (0.2, EVERYTHING, 0.95), (0.1, EVERYTHING, 0.25), (0.2, TRAINING, 0.75), (0.2, SPEED_OF_TRAINING, 0.6),
        (0.1, TRAINING, 0.0), (0.5, SPEED_OF_TRAINING, 1.0),
    ],
    ids=str,
)  # fmt: skip
def test_power(study: Study, slower: float, what: slice, least: float) -> None:
    count = 200 if FULL else 20
    for name, host in HOSTS.items() if FULL else [next(iter(HOSTS.items()))]:
        found = sum(3 in worse for _, worse in outcomes(study, host, count, slower, what))
        print(f"\n{name}: {100 * slower:g} % slower, metrics {what}: found in {100 * found / count:.1f} %")
        if host is next(iter(HOSTS.values())):
            assert found / count >= least - (0.02 if FULL else 0.2)
