"""Compare the durations of a cell's phases with the kernel's clock, which a plugin's code does not control.

The worker creates an empty file whenever a phase begins or ends. When it has ended, the parent compares the durations
in the record with the modification times of these files. This detects a plugin that changes the clocks of its process,
but not one that also forges the files, because a worker is no sandbox.
"""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import get_args

from bench.clocks import date_ahead_seconds, monotonic_seconds
from bench.record.record import Check, PhaseName, Record, Verdict

NAME = "clock"
#: The worker's own check, which the parent replaces.
UNCOMPARED = Check(name=NAME, verdict="unknown", found="no other process has compared this worker's clock with its own")
#: Tolerance as a fraction of a phase, plus seconds: a file's time may be up to 10 ms old, one tick of the kernel, and a
#: busy machine may pause a process between its two readings.
FRACTION, SECONDS = 0.02, 0.1
#: Tolerance for the whole process, which starts before the worker's clock and ends after it.
PROCESS_SECONDS = 2.0
#: Difference to the monotonic clock above which the system date counts as changed.
DATE_SECONDS = 0.05

OUTSIDE = "outside"
#: Suffixes of the files; others are ignored.
NAMES = {OUTSIDE, *get_args(PhaseName)}


class Marks:
    """Creates the files, in a worker."""

    def __init__(self, folder: Path) -> None:
        """Create the folder; without it there are no files, and the check is less exact."""
        self._folder, self._count = folder, 0
        with suppress(OSError):
            folder.mkdir(exist_ok=True)

    def enter(self, phase: PhaseName | None) -> None:
        """Mark the begin of a phase, or the end of one if None."""
        self._count += 1
        with suppress(OSError):
            (self._folder / f"{self._count:06d}.{phase or OUTSIDE}").touch()


def read(folder: Path) -> dict[str, float] | None:
    """Seconds of each phase, and outside of phases, by the files' times; None if they cannot be read.

    They are also None on a file system with a resolution of whole seconds.
    """
    try:
        files = [path for path in folder.iterdir() if path.suffix.removeprefix(".") in NAMES]
        stamps = sorted((path.name, path.stat().st_mtime_ns) for path in files)
    except OSError:
        return None
    if all(ns % 1_000_000_000 == 0 for _, ns in stamps):
        return None
    seconds: dict[str, float] = {}
    for (name, begin), (_, end) in pairwise(stamps):
        phase = name.partition(".")[2]
        seconds[phase] = seconds.get(phase, 0.0) + (end - begin) / 1e9
    return seconds


@dataclass(frozen=True, slots=True)
class Watch:
    """The parent's clocks at the time of a worker's request."""

    started: float
    date_ahead: float

    @classmethod
    def start(cls) -> "Watch":
        """Read the clocks now."""
        return cls(monotonic_seconds(), date_ahead_seconds())

    def check(self, record: Record, folder: Path) -> Check:
        """Compare a finished worker's record with the files in the folder, else with this process's clock.

        The folder is removed.
        """
        process_seconds = monotonic_seconds() - self.started
        date_moved = abs(date_ahead_seconds() - self.date_ahead) > DATE_SECONDS
        by_marks = None if date_moved else read(folder)
        shutil.rmtree(folder, ignore_errors=True)
        if by_marks is None:
            return _of_process(record, process_seconds)
        return _of_phases(record, by_marks)


def with_check(record: Record, check: Check) -> Record:
    """The record with the parent's check in place of the worker's; failed cells have no checks."""
    if record.status != "ok":
        return record
    others = tuple(each for each in record.checks if each.name != check.name)
    return record.model_copy(update={"checks": (*others, check)})


def _of_phases(record: Record, by_marks: Mapping[str, float]) -> Check:
    recorded: dict[str, float] = {}
    for phase in record.phases:
        recorded[phase.name] = recorded.get(phase.name, 0.0) + phase.seconds
    names = [name for name in get_args(PhaseName) if name in recorded or name in by_marks]
    pairs = {name: (recorded.get(name, 0.0), by_marks.get(name, 0.0)) for name in names}
    if not pairs:
        return UNCOMPARED
    name = max(pairs, key=lambda each: abs(pairs[each][0] - pairs[each][1]) / _limit(pairs[each][1], SECONDS))
    worker, kernel = pairs[name]
    found = (
        f"{name}: {worker:.2f} s by the worker's clock, {kernel:.2f} s by the kernel's, the largest difference "
        f"(suspect above {100 * FRACTION:g} % and {SECONDS:g} s)"
    )
    return Check(name=NAME, verdict=_verdict(worker, kernel, SECONDS), found=found)


def _of_process(record: Record, process_seconds: float) -> Check:
    worker = record.wall_seconds + (record.worker_start_seconds or 0.0)
    found = (
        f"the whole worker: {worker:.2f} s by its own clock, {process_seconds:.2f} s by its parent's (suspect above "
        f"{100 * FRACTION:g} % and {PROCESS_SECONDS:g} s); phases were not compared, because file times are unknown"
    )
    return Check(name=NAME, verdict=_verdict(worker, process_seconds, PROCESS_SECONDS), found=found)


def _limit(seconds: float, least: float) -> float:
    return least + FRACTION * seconds


def _verdict(worker: float, other: float, least: float) -> Verdict:
    return "suspect" if abs(worker - other) > _limit(other, least) else "valid"
