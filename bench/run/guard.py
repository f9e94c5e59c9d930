"""A small process beside the runner: where the runner is gone, even by SIGKILL, it ends what the runner had started.

A worker cannot do so for itself: it may be busy in native code, hold the interpreter, or have processes of its own.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

#: That the guard has to end what is watched.
CLOSING_SECONDS = 5.0


class Guard:
    """The runner's side: names the processes that must not outlive it."""

    def __init__(self) -> None:
        """Start the process, in a session of its own, so that nothing meant for the runner's group reaches it."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def watch(self, process_id: int) -> None:
        """From here on this process, and the group that it leads, ends with the runner."""
        self._say(f"+{process_id}")

    def forget(self, process_id: int) -> None:
        """This process has ended; its number may be another's soon."""
        self._say(f"-{process_id}")

    def close(self) -> None:
        """End the guard, and with it whatever is watched still."""
        assert self._process.stdin is not None, "it was opened as a pipe"
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(CLOSING_SECONDS)
        except subprocess.TimeoutExpired:  # somebody has stopped it
            self._process.kill()
            self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None, "it was opened as a pipe"
        with suppress(BrokenPipeError):  # somebody killed the guard; a run without one is still a run
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()


def end_group(process_id: int) -> None:
    """SIGKILL to a process and to the group that it leads or led, as far as they are there."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(process_id, signal.SIGKILL)


def watched_at_end(lines: Iterable[bytes]) -> set[int]:
    """The processes that were named and not forgotten, once the runner says nothing more."""
    watched: set[int] = set()
    for line in lines:
        (watched.add if line.startswith(b"+") else watched.discard)(int(line[1:]))
    return watched


def main() -> None:
    """The guard's own process: listens until the runner's end of the pipe is closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for process_id in watched_at_end(sys.stdin.buffer):
        end_group(process_id)


if __name__ == "__main__":
    main()
