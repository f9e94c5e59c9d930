"""Time limit for third-party code in this process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from bench.clocks import monotonic_seconds


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block once it has run for ``seconds``.

    The limit uses a signal, which only the main thread receives: in another thread there is no limit. The signal does
    not interrupt a single operation of C code.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> NoReturn:
        raise TimeoutError(f"took more than {seconds:g} s")

    handler, began = signal.signal(signal.SIGALRM, stop), monotonic_seconds()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # restore the timer of a caller
            signal.setitimer(signal.ITIMER_REAL, max(left - (monotonic_seconds() - began), 0.001), interval)
