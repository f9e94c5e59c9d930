"""A fork server that answers no more, be it stopped by a signal, is ended, so that nobody waits for it for ever."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bench.clocks import monotonic_seconds

POLL_SECONDS = 0.5
#: That a server may take to start a worker, and before its first one for all that it imports.
FORK_SECONDS, PRELOAD_SECONDS = 20.0, 600.0
#: That a process may be stopped, or dead and not reaped, before it counts as given up.
PATIENCE_SECONDS = 5.0
#: Between the moment at which a process closes its files and its end.
CLOSING_SECONDS = 1.0


class Patience:
    """How long a process has been in a state in which it does nothing."""

    def __init__(self, process_id: int, state: str) -> None:
        """Watch a process.

        Args:
            process_id: of the process.
            state: as psutil names it.
        """
        self._process_id = process_id
        self._state = state
        self._since: float | None = None

    @property
    def over(self) -> bool:
        """Whether the process was in the state at each look for longer than is waited."""
        if state_of(self._process_id) != self._state:
            self._since = None
            return False
        now = monotonic_seconds()
        self._since = now if self._since is None else self._since
        return now - self._since >= PATIENCE_SECONDS


def state_of(process_id: int) -> str | None:
    """The state of a process as psutil names it; None where there is none."""
    import psutil  # here, since a command that starts no worker can do without

    try:
        return str(psutil.Process(process_id).status())
    except psutil.Error:
        return None


@contextmanager
def answering(server_id: int, seconds: float) -> Iterator[list[str]]:
    """Kill the server if what is done inside, which waits for it, is not over in time.

    Args:
        server_id: of a child of this process.
        seconds: that it may take.

    Yields:
        Why the server was killed, in words; empty where it was not.
    """
    why: list[str] = []
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(server_id, seconds, over, why), daemon=True)
    watching.start()
    try:
        yield why
    finally:
        over.set()
        watching.join()


def _watch(server_id: int, seconds: float, over: threading.Event, why: list[str]) -> None:
    stopped, deadline = Patience(server_id, "stopped"), monotonic_seconds() + seconds
    while not over.wait(POLL_SECONDS):
        if stopped.over:
            why.append(f"was stopped for {PATIENCE_SECONDS:g} s and killed")
        elif monotonic_seconds() >= deadline:
            why.append(f"did not answer for {seconds:g} s and was killed")
        if why:
            with suppress(ProcessLookupError):
                os.kill(server_id, signal.SIGKILL)
            return


def end_server(server_id: int) -> None:
    """Kill a server and wait until it has ended; its number stays taken until it is reaped.

    Args:
        server_id: of a child of this process.
    """
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(server_id, signal.SIGKILL)
        os.waitid(os.P_PID, server_id, os.WEXITED | os.WNOWAIT)


def last_words(server_id: int) -> str:
    """How a server ended. It has closed its side, so that it is at its end, and killing it changes nothing.

    Args:
        server_id: of a child of this process.
    """
    os.kill(server_id, signal.SIGKILL)
    if sys.platform != "linux":
        return "unexpectedly"
    ended = os.waitid(os.P_PID, server_id, os.WEXITED | os.WNOWAIT)
    if ended is None or ended.si_code == os.CLD_EXITED:
        return "unexpectedly" if ended is None else f"with exit code {ended.si_status}"
    return f"by signal {ended.si_status} ({signal.Signals(ended.si_status).name})"


def has_ended(server_id: int) -> bool:
    """Whether a server has ended, or does so now: it closes its files a moment before.

    Args:
        server_id: of a child of this process, be it reaped.
    """
    deadline = monotonic_seconds() + CLOSING_SECONDS
    try:
        while os.waitid(os.P_PID, server_id, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if monotonic_seconds() >= deadline:
                return False
            threading.Event().wait(CLOSING_SECONDS / 100)
    except ChildProcessError:
        pass
    return True
