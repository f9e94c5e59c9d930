"""The record of a cell whose worker wrote none."""

from dataclasses import dataclass

from bench.clocks import monotonic_seconds
from bench.record.log_end import end_of_log
from bench.record.out_of_memory import Memory, memory_that_ran_out
from bench.record.record import Failure, Record, Status
from bench.record.run_folder import CellFolder
from bench.study.cell import Cell
from bench.text.message import message as told
from bench.text.redaction import redacted

#: Characters at the end of a log that a record keeps, and that are searched for the reason.
LOG_CHARACTERS, SEARCHED_CHARACTERS = 1000, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a worker ended.

    Attributes:
        exit_code: exit code, or minus the signal that ended it; None if unknown.
        timed_out: whether it was killed at its time limit.
        oom_killed: whether the kernel killed a process for lack of memory meanwhile.
        disk_full: whether the run folder's disk is full.
        phase: last phase that the worker reported.
        started: ``monotonic_seconds()`` when the worker was requested.
        started_at: date of the request.
        doing: last activity that it reported; None if it reported none.
        answered: whether measured.json exists.
        folder_lost: whether the cell's folder was removed or replaced.
    """

    exit_code: int | None
    timed_out: bool
    oom_killed: bool
    disk_full: bool
    phase: str
    started: float
    started_at: str
    doing: str | None = None
    answered: bool = False
    folder_lost: bool = False


def record_of(cell: Cell, paths: CellFolder, ending: Ending) -> Record:
    """The record of a worker that ended without a valid one.

    Args:
        cell: cell that it should measure.
        paths: folder with its log.
        ending: how the worker ended.
    """
    log = end_of_log(paths.stderr, SEARCHED_CHARACTERS)
    status, kind, message = _status_of(cell, ending, log)
    if ending.doing is not None:
        message = f"{message}, while {ending.doing}"
    memory: Memory | None = None
    if status == "oom":
        memory = "host" if _killed_by_kernel(ending) else memory_that_ran_out(log)
    return Record(
        cell_id=cell.id, cell=cell, status=status,
        failure=Failure(
            phase=ending.phase, type=kind, message=told(f"{message}\n{redacted(log)[-LOG_CHARACTERS:]}".strip()),
            memory=memory,
        ),
        started_at=ending.started_at, wall_seconds=monotonic_seconds() - ending.started,
    )  # fmt: skip


def _status_of(cell: Cell, ending: Ending, log: str) -> tuple[Status, str, str]:
    """Status, type and message; lack of disk space or memory takes precedence over the exit code."""
    code = ending.exit_code
    killed = code is not None and code < 0
    kind = f"signal {-code}" if killed and code is not None else f"exit code {code}"
    if ending.folder_lost:
        return "error", "FolderLost", "the cell's folder and its log were removed or replaced while it was measured"
    if ending.timed_out:
        limit = cell.limits.cell_timeout_seconds
        return "timeout", "TimeLimit", f"exceeded limits.cell_timeout_seconds = {limit:g}"
    if _killed_by_kernel(ending):
        return "oom", kind, "the kernel killed the worker for lack of memory"
    if memory_that_ran_out(log) is not None:
        return "oom", kind, "the worker ended for lack of memory"
    if ending.disk_full:
        return "error", "DiskFull", "the disk of the run folder is full, so the worker could not write what it measured"
    if code is None:
        return (
            "error",
            kind,
            "the worker ended without a record; why is unknown, because the fork server was stopped or killed",
        )
    if ending.answered:
        why = f"the worker was ended by signal {-code}" if killed else f"the worker ended with exit code {code}"
        return "error", kind, f"measured.json was not accepted: {why if code else 'it is not for this cell'}"
    if killed:
        hint = "; out of host memory is the usual reason" if code == -9 else ""
        return "killed", kind, f"the worker was killed{hint}"
    return "error", kind, "the worker ended without a record"


def _killed_by_kernel(ending: Ending) -> bool:
    """Whether the kernel killed the worker for lack of host memory."""
    return ending.exit_code == -9 and ending.oom_killed
