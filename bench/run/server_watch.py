"""Kill a fork server that does not answer or is stopped, so that nothing waits for it for ever."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bench.clocks import monotonic_seconds

POLL_SECONDS = 0.5
#: Time limits of a server to start a worker, and to do its imports before the first one.
FORK_SECONDS, PRELOAD_SECONDS = 20.0, 600.0
#: Time after which a process that is stopped, or dead and not reaped, is given up.
PATIENCE_SECONDS = 5.0
#: Maximum time between the closing of a process's files and its end.
CLOSING_SECONDS = 1.0


class Patience:
    """Measures how long a process has been in a given state."""

    def __init__(self, process_id: int, state: str) -> None:
        """Start with a process and a state.

        Args:
            process_id: id of the process.
            state: name of the state in psutil.
        """
        self._process_id = process_id
        self._state = state
        self._since: float | None = None

    @property
    def over(self) -> bool:
        """Whether the process was in the state at every look for PATIENCE_SECONDS."""
        if state_of(self._process_id) != self._state:
            self._since = None
            return False
        now = monotonic_seconds()
        self._since = now if self._since is None else self._since
        return now - self._since >= PATIENCE_SECONDS


def state_of(process_id: int) -> str | None:
    """The state of a process, as named by psutil; None if there is no such process."""
    import psutil  # not needed by commands without workers

    try:
        return str(psutil.Process(process_id).status())
    except psutil.Error:
        return None


@contextmanager
def answering(server_id: int, seconds: float) -> Iterator[list[str]]:
    """Kill the server if the block, which waits for it, takes too long.

    Args:
        server_id: process id of a child of this process.
        seconds: time limit of the block.

    Yields:
        The reasons why the server was killed; empty if it was not.
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
    """Kill a server and wait until it has ended; its id stays in use until it is reaped.

    Args:
        server_id: process id of a child of this process.
    """
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(server_id, signal.SIGKILL)
        os.waitid(os.P_PID, server_id, os.WEXITED | os.WNOWAIT)


def last_words(server_id: int) -> str:
    """How a server ended. It must have closed its files, so that killing it does not change its exit status.

    Args:
        server_id: process id of a child of this process.
    """
    os.kill(server_id, signal.SIGKILL)
    if sys.platform != "linux":
        return "unexpectedly"
    ended = os.waitid(os.P_PID, server_id, os.WEXITED | os.WNOWAIT)
    if ended is None or ended.si_code == os.CLD_EXITED:
        return "unexpectedly" if ended is None else f"with exit code {ended.si_status}"
    return f"by signal {ended.si_status} ({signal.Signals(ended.si_status).name})"


def has_ended(server_id: int) -> bool:
    """Whether a server has ended, or ends within CLOSING_SECONDS.

    Args:
        server_id: process id of a child of this process, which may be reaped.
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
