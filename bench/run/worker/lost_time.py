"""Checks of lost time: pauses of the process, sleep of the machine, and time outside of the steps of a pass."""

from collections.abc import Mapping

from bench.measure.conditions import Conditions
from bench.record.record import Check, PhaseName
from bench.run.worker.checks import check

#: Largest valid pause as a fraction of a phase; waiting for other threads takes at most 1.5 %.
PAUSED_FRACTION = 0.05
#: Phases that only compute, and the pause that each may have beyond that fraction; phases without a rate may wait for
#: the disk while code is loaded. Other phases use files, or run a plugin's code that may wait.
PAUSED_SECONDS: dict[PhaseName, float] = {
    "calibrate": 0.5, "warm-up": 0.5, "train": 0.1, "memory": 0.5, "evaluate": 0.5, "inference": 0.1, "latency": 0.1,
    "generate": 0.1,
}  # fmt: skip
SLEPT_SECONDS = 0.1
#: Largest valid time outside of steps, as a fraction of a phase plus seconds.
BESIDE_FRACTION, BESIDE_SECONDS = 0.10, 0.5


def unpaused(grown: Mapping[PhaseName, Conditions | None]) -> list[Check]:
    """Whether the process was paused, or the whole machine slept.

    Args:
        grown: increase of the counters over each phase of ``PAUSED_SECONDS``; None for a phase that did not occur.
    """
    occurred = {name: found for name, found in grown.items() if found is not None}
    idle = {name: found.idle_seconds for name, found in occurred.items() if found.idle_seconds is not None}
    limits = {name: PAUSED_SECONDS[name] + PAUSED_FRACTION * occurred[name].seconds for name in idle}
    if not idle:
        why_not = "unknown: the device is a GPU, for which a thread waits, or this system does not count pauses"
        checks = [check("no pause", None, why_not)]
    else:
        name = max(idle, key=lambda each: idle[each] / limits[each])
        found = (
            f"{name}: for {idle[name]:.2f} of {occurred[name].seconds:.2f} s this process neither computed nor waited "
            f"for a core, the longest pause of all phases (suspect above {limits[name]:.2f} s)"
        )
        checks = [check("no pause", idle[name] > limits[name], found)]
    slept = [found.suspended_seconds for found in occurred.values() if found.suspended_seconds is not None]
    if slept:
        total = max(0.0, sum(slept))  # two clocks are read in turn, so the sum may be below 0
        found = f"the machine slept for {total:.2f} s (suspect above {SLEPT_SECONDS:g} s)"
        checks.append(check("awake", total > SLEPT_SECONDS, found))
    return checks


def steps_add_up(of: str, step_seconds: float, phase_seconds: float) -> Check:
    """Whether the steps of a pass add up to the time of its phase, which is measured by another clock.

    Args:
        of: name of the pass.
        step_seconds: time of all steps in the phase, including known extra work such as warm-up batches.
        phase_seconds: time of the phase.
    """
    beside = phase_seconds - step_seconds
    limit = f"{100 * BESIDE_FRACTION:g} % and {BESIDE_SECONDS:g} s"
    found = f"{step_seconds:.2f} s in steps, {phase_seconds:.2f} s in their phase (suspect where apart by {limit})"
    suspect = abs(beside) > BESIDE_SECONDS + BESIDE_FRACTION * phase_seconds
    return check(f"steps of {of} add up", suspect, found)
