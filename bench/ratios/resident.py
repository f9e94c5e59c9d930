"""The parent's side of a resident process: start it, send it orders, and end it."""

import socket
from contextlib import suppress
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Protocol

from bench.clocks import date_now, monotonic_seconds
from bench.measure.host_limits import oom_kills
from bench.ratios.window import ADDRESS, Answer, Failed, Measured, Order, Ready
from bench.record.files import write_json, write_text
from bench.record.run_folder import CellFolder, read_progress
from bench.run.attempt import Start
from bench.run.executor import Job
from bench.run.failures import Ending, record_of
from bench.study.cell import Cell

ENTRY = "bench.ratios.worker:serve"
POLL_SECONDS = 0.2
#: Time for a process to end after its socket was closed.
ENDING_SECONDS = 5.0
#: Bytes read at once from the socket; an answer has some hundreds.
READ_BYTES = 65_536


class FailedError(Exception):
    """A resident process cannot go on.

    Attributes:
        failed: its failure.
    """

    def __init__(self, failed: Failed) -> None:
        """Store the failure."""
        super().__init__(str(failed))
        self.failed = failed


class Resident(Protocol):
    """A method that is prepared in a process of its own and computes only when it is told to."""

    cell: Cell
    ready: Ready

    def run(self, order: Order) -> Measured:
        """Run a window and wait for its end.

        Raises:
            FailedError: the process cannot go on.
        """

    def close(self) -> None:
        """End the process."""


class ResidentProcess:
    """A worker of an executor that answers over a socket.

    Attributes:
        cell: cell that it has prepared.
        ready: its answer to the preparation.
    """

    def __init__(self, cell: Cell, folder: Path, start: Start) -> None:
        """Start the process and wait until the method is prepared.

        Args:
            cell: cell to prepare.
            folder: empty folder for its files.
            start: function that starts a job.

        Raises:
            FailedError: the method cannot be prepared.
        """
        self.cell = cell
        self._paths, self._unread = CellFolder(folder), b""
        self._began, self._began_at, self._kills = monotonic_seconds(), date_now(), oom_kills()
        self._channel: socket.socket | None = None
        write_json(self._paths.cell, cell.model_dump(mode="json"))
        with socket.socket(socket.AF_UNIX) as listener:
            address = Path(get_temp_dir()) / f"ratios-{id(self):x}"  # the executor has chosen a short folder
            listener.bind(str(address))
            listener.listen(1)
            write_text(folder / ADDRESS, str(address))
            self._job: Job = start(ENTRY, folder, cell.limits.cell_memory_bytes)
            self._deadline = monotonic_seconds() + cell.limits.cell_timeout_seconds
            try:
                self._channel = self._accept(listener)
                ready = self._answer().ready
            except BaseException:
                self.close()
                raise
            finally:
                address.unlink(missing_ok=True)
        assert ready is not None, "the first answer is about the preparation"
        self.ready = ready

    def run(self, order: Order) -> Measured:
        """See ``Resident``."""
        assert self._channel is not None, "it is open until the process is closed"
        self._deadline = monotonic_seconds() + self.cell.limits.cell_timeout_seconds
        try:
            self._channel.sendall(f"{order.model_dump_json()}\n".encode())
        except OSError:
            raise self._ended() from None
        measured = self._answer().measured
        assert measured is not None, "an order is answered by a window"
        return measured

    def close(self) -> None:
        """See ``Resident``."""
        if self._channel is not None:
            self._channel.close()  # the process reads the end of its orders
            self._job.wait(ENDING_SECONDS)
        if self._job.exit_code is None:
            self._job.kill()

    def _accept(self, listener: socket.socket) -> socket.socket:
        listener.settimeout(POLL_SECONDS)
        while True:
            with suppress(TimeoutError):
                channel, _ = listener.accept()
                channel.settimeout(POLL_SECONDS)
                return channel
            if self._job.wait(0):
                raise self._ended()
            self._check_time()

    def _answer(self) -> Answer:
        """The next line of the process.

        Raises:
            FailedError: it is a failure, or there is none.
        """
        assert self._channel is not None, "it is open until the process is closed"
        while b"\n" not in self._unread:
            try:
                received = self._channel.recv(READ_BYTES)
            except TimeoutError:
                self._check_time()
                continue
            except OSError:
                received = b""
            if not received:
                raise self._ended()
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        answer = Answer.model_validate_json(line)
        if answer.failed is not None:
            raise FailedError(answer.failed)
        return answer

    def _check_time(self) -> None:
        if monotonic_seconds() > self._deadline:
            raise self._ended(timed_out=True)

    def _ended(self, timed_out: bool = False) -> FailedError:
        """The failure of a process that has ended or exceeds its time limit, as the record of a cell tells it."""
        if not timed_out:
            self._job.wait(ENDING_SECONDS)
        code, kills, where = self._job.exit_code, oom_kills(), read_progress(self._paths)
        record = record_of(
            self.cell, self._paths,
            Ending(
                exit_code=code, timed_out=timed_out, disk_full=False, phase=where[0] if where else "start",
                oom_killed=kills is not None and self._kills is not None and kills > self._kills,
                started=self._began, started_at=self._began_at,
            ),
        )  # fmt: skip
        assert record.failure is not None, "a cell without a record has failed"
        return FailedError(Failed(status=record.status, phase=record.failure.phase, message=record.failure.message))
