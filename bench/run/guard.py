"""A small process that ends the runner's processes if the runner ends, even by SIGKILL.

A worker cannot do this itself: it may be in native code, hold the interpreter, or have child processes.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

#: Time for the guard to end the watched processes.
CLOSING_SECONDS = 5.0


class Guard:
    """The runner's side: registers the processes that must not outlive it."""

    def __init__(self) -> None:
        """Start the guard in its own session, so that signals to the runner's group do not reach it."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def watch(self, process_id: int) -> None:
        """Register a process; it and its process group will end with the runner."""
        self._say(f"+{process_id}")

    def forget(self, process_id: int) -> None:
        """Unregister a process that has ended, because its id may be reused."""
        self._say(f"-{process_id}")

    def close(self) -> None:
        """End the guard and the processes that are still registered."""
        assert self._process.stdin is not None, "it was opened as a pipe"
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(CLOSING_SECONDS)
        except subprocess.TimeoutExpired:  # the guard was stopped by a signal
            self._process.kill()
            self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None, "it was opened as a pipe"
        with suppress(BrokenPipeError):  # the guard was killed; the run goes on without it
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()


def end_group(process_id: int) -> None:
    """Send SIGKILL to a process and its process group, if they exist."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(process_id, signal.SIGKILL)


def watched_at_end(lines: Iterable[bytes]) -> set[int]:
    """The processes that are still registered when the runner has closed the pipe."""
    watched: set[int] = set()
    for line in lines:
        (watched.add if line.startswith(b"+") else watched.discard)(int(line[1:]))
    return watched


def main() -> None:
    """Run the guard's process until the runner's end of the pipe is closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for process_id in watched_at_end(sys.stdin.buffer):
        end_group(process_id)


if __name__ == "__main__":
    main()
