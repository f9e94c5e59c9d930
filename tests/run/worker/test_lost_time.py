"""Time that no step shows: pauses on both sides of the limit, sleep of the machine, and what lies beside steps."""

from dataclasses import replace

import pytest

from bench.measure.conditions import Conditions
from bench.record.record import PhaseName, Verdict
from bench.run.worker.lost_time import PAUSED_SECONDS, steps_add_up, unpaused
from tests.measure.test_conditions import NOTHING

TEN = replace(NOTHING, seconds=10.0, idle_seconds=0.1, suspended_seconds=0.0)


@pytest.mark.parametrize("name", PAUSED_SECONDS)
@pytest.mark.parametrize(("beyond", "verdict"), [(-0.01, "valid"), (0.01, "suspect"), (6.0, "suspect")])
def test_a_pause_is_found_in_any_phase_that_computes(name: PhaseName, beyond: float, verdict: Verdict) -> None:
    """At most 5 % of 10 s, and what the phase may wait for a disk."""
    grown: dict[PhaseName, Conditions | None] = dict.fromkeys(PAUSED_SECONDS, TEN)
    idle = 0.5 + PAUSED_SECONDS[name] + beyond
    grown[name] = replace(TEN, idle_seconds=idle)
    pause, awake = unpaused(grown)
    assert (pause.name, pause.verdict, awake.verdict) == ("no pause", verdict, "valid")
    assert pause.found.startswith(f"{name}: for {idle:.2f} of 10.00 s")


def test_a_short_phase_may_stand_still_for_a_tenth_of_a_second() -> None:
    for idle, verdict in ((0.1, "valid"), (0.11, "suspect")):
        (check, _) = unpaused({"train": replace(TEN, seconds=0.12, idle_seconds=idle)})
        assert check.verdict == verdict


def test_sleep_of_the_machine_is_no_time_of_the_phase_and_is_found() -> None:
    pause, awake = unpaused({"train": replace(TEN, suspended_seconds=2.0), "evaluate": TEN, "generate": None})
    assert (pause.verdict, awake.verdict) == ("valid", "suspect")
    assert awake.found.startswith("the machine slept for 2.00 s")


def test_what_is_not_counted_is_unknown() -> None:
    silent = replace(TEN, idle_seconds=None, suspended_seconds=None)
    (check,) = unpaused({"train": silent, "evaluate": None})
    assert (check.name, check.verdict) == ("no pause", "unknown")


@pytest.mark.parametrize(
    ("steps", "phase", "verdict"),
    [
        (9.9, 10.0, "valid"),
        (8.51, 10.0, "valid"),  # 10 % and half a second
        (8.49, 10.0, "suspect"),
        (3.9, 9.9, "suspect"),  # 6 s outside of every step
        (10 / 1.7, 10.0, "suspect"),  # a clock of the steps alone that is scaled
        (17.0, 10.0, "suspect"),
        (0.1, 0.5, "valid"),
    ],
)
def test_steps_are_the_time_of_their_phase(steps: float, phase: float, verdict: Verdict) -> None:
    assert steps_add_up("training", steps, phase).verdict == verdict
