"""When the phases of a cell began and ended by the kernel's clock, which no code in the worker's process stands before.

The worker makes an empty file wherever a phase begins or ends, and the kernel dates it. Once the worker has ended, the
parent reads these dates and holds the seconds that the record tells against them. A plugin that changes the clocks of
its process is found so; one that goes on to forge the files is not, for a worker is no sandbox.
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
#: What a worker writes of itself; its parent puts its own verdict in this place.
UNCOMPARED = Check(name=NAME, verdict="unknown", found="no other process has held this worker's clock against its own")
#: Two clocks may be apart by this share of a phase and these seconds: a date of a file is a tick of the kernel old, up
#: to 10 ms, and a busy machine may stop a process between its two readings.
FRACTION, SECONDS = 0.02, 0.1
#: Of the whole process, which starts before the worker's clock does and ends after it.
PROCESS_SECONDS = 2.0
#: The date was set, by hand or by another machine's, where it moved so far against the clock that only runs forward.
DATE_SECONDS = 0.05

OUTSIDE = "outside"
#: What a file may be named after; a method may put others there.
NAMES = {OUTSIDE, *get_args(PhaseName)}


class Marks:
    """Makes the files, in a worker."""

    def __init__(self, folder: Path) -> None:
        """Begin with none; where the folder cannot be made there are none, which costs a check and nothing else."""
        self._folder, self._count = folder, 0
        with suppress(OSError):
            folder.mkdir(exist_ok=True)

    def enter(self, phase: PhaseName | None) -> None:
        """From now on this phase is open, or none."""
        self._count += 1
        with suppress(OSError):
            (self._folder / f"{self._count:06d}.{phase or OUTSIDE}").touch()


def read(folder: Path) -> dict[str, float] | None:
    """Seconds of each phase, and of none, by the dates of the files; None where they tell none.

    A file system that dates files by whole seconds tells none.
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
    """The parent's own clocks as they stood when it asked for a worker."""

    started: float
    date_ahead: float

    @classmethod
    def start(cls) -> "Watch":
        """As they stand now."""
        return cls(monotonic_seconds(), date_ahead_seconds())

    def check(self, record: Record, folder: Path) -> Check:
        """Hold a finished worker's record against the marks in the folder, or against this process's clock alone.

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
    """The record with what the parent found in place of what the worker could say; a failed cell has no stamp."""
    if record.status != "ok":
        return record
    others = tuple(each for each in record.checks if each.name != check.name)
    return record.model_copy(update={"checks": (*others, check)})


def _of_phases(record: Record, by_marks: Mapping[str, float]) -> Check:
    told: dict[str, float] = {}
    for phase in record.phases:
        told[phase.name] = told.get(phase.name, 0.0) + phase.seconds
    names = [name for name in get_args(PhaseName) if name in told or name in by_marks]
    pairs = {name: (told.get(name, 0.0), by_marks.get(name, 0.0)) for name in names}
    if not pairs:
        return UNCOMPARED
    name = max(pairs, key=lambda each: abs(pairs[each][0] - pairs[each][1]) / _limit(pairs[each][1], SECONDS))
    worker, kernel = pairs[name]
    found = (
        f"{name}: {worker:.2f} s by the worker's clock, {kernel:.2f} s by the kernel's, the furthest apart of all "
        f"(suspect above {100 * FRACTION:g} % and {SECONDS:g} s)"
    )
    return Check(name=NAME, verdict=_verdict(worker, kernel, SECONDS), found=found)


def _of_process(record: Record, process_seconds: float) -> Check:
    worker = record.wall_seconds + (record.worker_start_seconds or 0.0)
    found = (
        f"the whole worker: {worker:.2f} s by its own clock, {process_seconds:.2f} s by its parent's (suspect above "
        f"{100 * FRACTION:g} % and {PROCESS_SECONDS:g} s); single phases were not compared, for no dates of files tell"
    )
    return Check(name=NAME, verdict=_verdict(worker, process_seconds, PROCESS_SECONDS), found=found)


def _limit(seconds: float, least: float) -> float:
    return least + FRACTION * seconds


def _verdict(worker: float, other: float, least: float) -> Verdict:
    return "suspect" if abs(worker - other) > _limit(other, least) else "valid"
