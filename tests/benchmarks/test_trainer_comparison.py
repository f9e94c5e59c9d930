"""The training and prediction path against transformers.Trainer, same work, one run, taking turns.

The figures are medians of ratios within rounds in which every contender runs once, so that a machine whose speed drifts
hits all alike. Each contender keeps its own process, because allocator settings hold for a whole process.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
#: The stated figures hold on a quiet machine: TUNEBENCH_QUIET=1 asks for them and takes its time. Elsewhere, in CI too,
#: a part of each must be reached, so that a slow-down of the code fails and a busy neighbour does not.
QUIET = bool(os.environ.get("TUNEBENCH_QUIET"))
SHARE = 1.0 if QUIET else 0.7
ROUNDS = 5 if QUIET else 1
#: Of the harness beside the bare loop, whose stated difference is less than the noise of a round.
CLOSE_ROUNDS = 15 if QUIET else 1
SEEDS = (0, 1) if QUIET else (0,)
TRAINED = ("stock", "fast", "trainer") if QUIET else ("stock", "trainer")
STEPS, CLOSE_STEPS = (40, 34) if QUIET else (20, 17)
#: Elsewhere than on a quiet machine a few steps warm up: the first takes as long as five, the second as any other.
WARM_UP_STEPS = None if QUIET else 8
#: Only a quiet machine tries the Trainer with other settings; torch.compile takes minutes.
TRAINERS = ("trainer", "trainer_workers", "trainer_compiled") if QUIET else ("trainer",)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Contender:
    """A contender's process; it sleeps until it is asked."""

    def __init__(self, name: str, data_root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "contender.py"), name, str(data_root)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"contender ended with code {self.process.wait()}"
        return dict(json.loads(line))

    def ask(self, command: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        print(command, file=self.process.stdin, flush=True)
        return self.answer()


@pytest.fixture(scope="module")
def contenders() -> Iterator[dict[str, Contender]]:
    data_root = Path(os.environ.get("TUNEBENCH_DATA_ROOT", HERE.parents[2] / "shared" / "data"))
    if not (data_root / "tweet_eval_emotion").is_dir():
        pytest.skip(f"no tweet_eval_emotion in {data_root}; set TUNEBENCH_DATA_ROOT")
    names = ("stock", "fast", "bare", *TRAINERS)
    running = {name: Contender(name, data_root) for name in names}  # they get ready side by side
    assert [contender.answer() for contender in running.values()] == [{"ready": name} for name in names]
    yield running
    for contender in running.values():
        contender.process.kill()
        contender.process.communicate()


def rates(
    contenders: dict[str, Contender], command: str, names: tuple[str, ...], rounds: int, warm_up: str | None = None
) -> dict[str, list[float]]:
    """Samples per second of each contender, by round; one round more, or ``warm_up``, runs first and is not counted.

    Every other round goes through the contenders backwards, so that a drift favours none.
    """
    found: dict[str, list[float]] = {name: [] for name in names}
    for counted in range(-1, rounds):
        for name in names if counted % 2 else reversed(names):
            answer = contenders[name].ask(command if counted >= 0 else warm_up or command)
            if counted >= 0:
                found[name].append(answer["samples"] / answer["seconds"])
    return found


def ratio(found: dict[str, list[float]], ours: str, theirs: str) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(found[ours], found[theirs], strict=True))


def measure(benchmark: Any, *arguments: Any) -> dict[str, list[float]]:
    """Rates by way of pytest-benchmark, so that --benchmark-json keeps them."""
    found: dict[str, list[float]] = benchmark.pedantic(rates, args=arguments, rounds=1)
    benchmark.extra_info["samples_per_second"] = found
    print({name: [round(rate, 1) for rate in values] for name, values in found.items()})
    return found


def against_best(found: dict[str, list[float]], ours: str) -> float:
    """Ratio to the fastest Trainer."""
    return min(ratio(found, ours, trainer) for trainer in TRAINERS if trainer in found)


def test_training_against_trainer(contenders: dict[str, Contender], benchmark: Any) -> None:
    names = ("stock", "fast", *TRAINERS)
    found = measure(benchmark, contenders, f"train {STEPS}", names, ROUNDS, f"train {WARM_UP_STEPS or STEPS}")
    print({ours: against_best(found, ours) for ours in ("stock", "fast")})
    assert against_best(found, "stock") >= 1.0 * SHARE
    assert against_best(found, "fast") >= 1.1 * SHARE


def test_prediction_against_trainer(contenders: dict[str, Contender], benchmark: Any) -> None:
    found = measure(benchmark, contenders, "predict", ("stock", "fast", "trainer"), 2 * ROUNDS)
    print({ours: against_best(found, ours) for ours in ("stock", "fast")})
    assert against_best(found, "stock") >= 1.0 * SHARE
    assert against_best(found, "fast") >= 1.2 * SHARE


def test_harness_costs_at_most_two_percent(contenders: dict[str, Contender], benchmark: Any) -> None:
    # 2 % is less than the noise of a round, so there are many; what the harness does once a training weighs three
    # times as much in a third of an epoch as it does in one.
    warm_up = f"train {WARM_UP_STEPS or CLOSE_STEPS}"
    found = measure(benchmark, contenders, f"train {CLOSE_STEPS}", ("stock", "bare"), CLOSE_ROUNDS, warm_up)
    print(ratio(found, "stock", "bare"))
    assert ratio(found, "stock", "bare") >= 0.98 * SHARE


def test_macro_f1_is_that_of_the_trainer(contenders: dict[str, Contender]) -> None:
    f1 = {name: [contenders[name].ask(f"epochs 2 {seed}")["macro_f1"] for seed in SEEDS] for name in TRAINED}
    print(f1)
    for ours in TRAINED[:-1]:
        assert abs(statistics.mean(f1[ours]) - statistics.mean(f1["trainer"])) <= 0.02 / SHARE
