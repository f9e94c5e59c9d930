"""Signals that ask the command to end: each becomes one exception, so that whatever is under way is put away first."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from bench.errors import Interrupted

#: A shell reports a process that a signal ended by this number plus the signal's.
BASE_CODE = 128
#: Ctrl-C, a plain ``kill``, and a terminal that was closed.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def exit_code(error: KeyboardInterrupt) -> int:
    """The exit code of a command that was interrupted so; Ctrl-C where no signal is known."""
    return BASE_CODE + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise ``Interrupted`` at the first signal that asks to end; at the second one end at once.

    A signal that is ignored already stays so, as ``nohup`` wants it. A process that is forked inside has the signal's
    usual effect. Outside of the main thread, which alone may set this, nothing is changed.
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

    heard = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in heard:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _end_as_usual(number: int) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(BASE_CODE + number)  # only where the signal is blocked
