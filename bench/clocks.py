"""The machine's clocks: the monotonic clock for durations, the wall clock for dates only.

The functions are taken from ``time`` when this module is imported, before any plugin: a plugin that replaces them in
``time`` changes nothing here. No other module of bench reads a clock.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

#: Seconds since an arbitrary start. All processes of a machine read the same clock on Linux (CLOCK_MONOTONIC) and macOS
#: (mach_absolute_time), so their readings can be compared. It stops while the machine sleeps.
monotonic_seconds: Callable[[], float] = time.monotonic
#: CPU seconds of all threads of this process.
process_cpu_seconds: Callable[[], float] = time.process_time
#: CPU seconds of the calling thread.
thread_cpu_seconds: Callable[[], float] = time.thread_time

_wall_seconds: Callable[[], float] = time.time
_clock_seconds: Callable[[int], float] = time.clock_gettime
#: Linux: a clock that also runs while the machine sleeps. None on other systems.
_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def date_now() -> str:
    """Current UTC time in ISO 8601, to the second."""
    return datetime.fromtimestamp(_wall_seconds(), UTC).isoformat(timespec="seconds")


def date_seconds() -> float:
    """Current time in seconds since 1970, as in file timestamps."""
    return _wall_seconds()


def date_ahead_seconds() -> float:
    """Seconds between the wall clock and the monotonic clock; they change when the date is set."""
    return _wall_seconds() - monotonic_seconds()


def suspended_seconds() -> float | None:
    """Seconds that the machine has slept since boot; None where the system does not report them."""
    return None if _BOOTTIME is None else _clock_seconds(_BOOTTIME) - monotonic_seconds()
