"""Time that no step shows: pauses of the process, sleep of the machine, and what lies beside the steps of a pass."""

from collections.abc import Mapping

from bench.measure.conditions import Conditions
from bench.record.record import Check, PhaseName
from bench.run.worker.checks import check

#: Of a phase: a thread that computes stands still for 1.5 % at most, as while it waits for another thread's share.
PAUSED_FRACTION = 0.05
#: Phases whose time is computing, and for how long each may stand still beside that share: a phase that gives no rate
#: may wait for the disk that its libraries' code comes from. Other phases read and write files, or do what a plugin may
#: wait in.
PAUSED_SECONDS: dict[PhaseName, float] = {
    "calibrate": 0.5, "warm-up": 0.5, "train": 0.1, "memory": 0.5, "evaluate": 0.5, "inference": 0.1, "latency": 0.1,
    "generate": 0.1,
}  # fmt: skip
SLEPT_SECONDS = 0.1
#: Of a phase, beside its steps.
BESIDE_FRACTION, BESIDE_SECONDS = 0.10, 0.5


def unpaused(grown: Mapping[PhaseName, Conditions | None]) -> list[Check]:
    """Whether something stopped the computing, or the whole machine slept.

    Args:
        grown: growth of the counters over each phase of ``PAUSED_SECONDS``; None of one that there was not.
    """
    there = {name: found for name, found in grown.items() if found is not None}
    idle = {name: found.idle_seconds for name, found in there.items() if found.idle_seconds is not None}
    limits = {name: PAUSED_SECONDS[name] + PAUSED_FRACTION * there[name].seconds for name in idle}
    if not idle:
        why_not = "not told: the device is a GPU, which a thread waits for, or this system does not count"
        checks = [check("no pause", None, why_not)]
    else:
        name = max(idle, key=lambda each: idle[each] / limits[each])
        found = (
            f"{name}: for {idle[name]:.2f} of {there[name].seconds:.2f} s this process neither computed nor waited for "
            f"a core, the most of all phases (suspect above {limits[name]:.2f} s)"
        )
        checks = [check("no pause", idle[name] > limits[name], found)]
    slept = [found.suspended_seconds for found in there.values() if found.suspended_seconds is not None]
    if slept:
        total = max(0.0, sum(slept))  # of two clocks read one after the other, so that none may be below none
        found = f"the machine slept for {total:.2f} s (suspect above {SLEPT_SECONDS:g} s)"
        checks.append(check("awake", total > SLEPT_SECONDS, found))
    return checks


def steps_add_up(of: str, step_seconds: float, phase_seconds: float) -> Check:
    """Whether the steps of a pass are the time of its phase, which another clock than theirs tells.

    Args:
        of: the pass.
        step_seconds: of all steps in the phase, and what is known to lie beside them, such as batches to warm up.
        phase_seconds: of the phase.
    """
    beside = phase_seconds - step_seconds
    limit = f"{100 * BESIDE_FRACTION:g} % and {BESIDE_SECONDS:g} s"
    found = f"{step_seconds:.2f} s in steps, {phase_seconds:.2f} s in their phase (suspect where apart by {limit})"
    suspect = abs(beside) > BESIDE_SECONDS + BESIDE_FRACTION * phase_seconds
    return check(f"steps of {of} add up", suspect, found)
