"""The machine's clocks: one that only runs forward, for every duration, and the date, for dates alone.

The functions are taken from ``time`` when this module is imported, which is before any plugin: one that replaces them
there later changes nothing here. No other module of bench reads a clock.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

#: Seconds since some start. All processes of a machine read the same clock on Linux (CLOCK_MONOTONIC) and on macOS
#: (mach_absolute_time), so that one may hold its reading against another's. It stands still while the machine sleeps.
monotonic_seconds: Callable[[], float] = time.monotonic
#: That all threads of this process have computed.
process_cpu_seconds: Callable[[], float] = time.process_time
#: That the calling thread has computed.
thread_cpu_seconds: Callable[[], float] = time.thread_time

_wall_seconds: Callable[[], float] = time.time
_clock_seconds: Callable[[int], float] = time.clock_gettime
#: Linux: runs on while the machine sleeps. None elsewhere.
_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def date_now() -> str:
    """Now in UTC, ISO 8601, to the second."""
    return datetime.fromtimestamp(_wall_seconds(), UTC).isoformat(timespec="seconds")


def date_seconds() -> float:
    """Now as the system dates files, in seconds since 1970."""
    return _wall_seconds()


def date_ahead_seconds() -> float:
    """By which the date stands ahead of the clock that only runs forward; it changes when the date is set."""
    return _wall_seconds() - monotonic_seconds()


def suspended_seconds() -> float | None:
    """For which the machine has slept since it was started; None where it does not tell."""
    return None if _BOOTTIME is None else _clock_seconds(_BOOTTIME) - monotonic_seconds()
