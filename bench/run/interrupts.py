"""Turn signals that ask the command to end into an exception, so that it can clean up first."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from bench.errors import Interrupted

#: A shell's exit code for a process ended by a signal is this number plus the signal's.
BASE_CODE = 128
#: Ctrl-C, ``kill``, and a closed terminal.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def exit_code(error: KeyboardInterrupt) -> int:
    """The exit code of an interrupted command; that of Ctrl-C if the signal is unknown."""
    return BASE_CODE + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise ``Interrupted`` at the first signal, and end at once at the second.

    Signals that are already ignored stay so, as ``nohup`` needs. In a process forked inside the block, signals have
    their default effect. Outside of the main thread, which alone may set signal handlers, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner, before = os.getpid(), {number: signal.getsignal(number) for number in SIGNALS}
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        del frame
        if os.getpid() != owner:
            _end_as_usual(number)
        if asked:
            os._exit(BASE_CODE + number)
        asked = True
        raise Interrupted(number)

    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in handled:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])


def _end_as_usual(number: int) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(BASE_CODE + number)  # reached only if the signal is blocked
