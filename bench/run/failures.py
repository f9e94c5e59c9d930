"""The record of a cell whose worker could not write its own."""

from dataclasses import dataclass

from bench.clocks import monotonic_seconds
from bench.record.log_end import end_of_log
from bench.record.out_of_memory import Memory, memory_that_ran_out
from bench.record.record import Failure, Record, Status
from bench.record.run_folder import CellFolder
from bench.study.cell import Cell
from bench.text.message import message as told
from bench.text.redaction import redacted

#: The end of a log that a record keeps, and that in which the reason is looked for: a library's frames may follow it.
LOG_CHARACTERS, SEARCHED_CHARACTERS = 1000, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a worker came to its end.

    Attributes:
        exit_code: minus the signal that ended it; None where it is not known.
        timed_out: it ran past its limit and was killed for it.
        oom_killed: the kernel killed a process for want of memory meanwhile.
        disk_full: the run folder's disk has no room left.
        phase: that was running, as far as the worker said.
        started: ``monotonic_seconds()`` when the worker was asked for.
        started_at: the date then.
        doing: what it had said last that it was doing; None where it said nothing.
        answered: it wrote what it measured, or something in its place.
        folder_lost: the cell's folder was removed, or something else stands there.
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
    """What is known of a worker that ended without a record.

    Args:
        cell: that it was to measure.
        paths: where its log is.
        ending: of the worker.
    """
    log = end_of_log(paths.stderr, SEARCHED_CHARACTERS)
    status, kind, message = _verdict(cell, ending, log)
    if ending.doing is not None:
        message = f"{message}, while {ending.doing}"
    memory: Memory | None = None
    if status == "oom":
        memory = "host" if _killed_by_kernel(ending) else memory_that_ran_out(log)
    return Record(
        cell_id=cell.id,
        cell=cell,
        status=status,
        failure=Failure(
            phase=ending.phase,
            type=kind,
            message=told(f"{message}\n{redacted(log)[-LOG_CHARACTERS:]}".strip()),
            memory=memory,
        ),
        started_at=ending.started_at,
        wall_seconds=monotonic_seconds() - ending.started,
    )


def _verdict(cell: Cell, ending: Ending, log: str) -> tuple[Status, str, str]:
    """Status, type and message; the disk and the memory explain an end better than its code does."""
    code = ending.exit_code
    killed = code is not None and code < 0
    kind = f"signal {-code}" if killed and code is not None else f"exit code {code}"
    if ending.folder_lost:
        return "error", "FolderLost", "the cell's folder was removed or replaced while it was measured, log and all"
    if ending.timed_out:
        limit = cell.limits.cell_timeout_seconds
        return "timeout", "TimeLimit", f"ran past limits.cell_timeout_seconds = {limit:g}"
    if _killed_by_kernel(ending):
        return "oom", kind, "the kernel killed the worker, for the memory that processes may have was used up"
    if memory_that_ran_out(log) is not None:
        return "oom", kind, "the worker ended for want of memory"
    if ending.disk_full:
        return "error", "DiskFull", "the disk of the run folder is full, so the worker could not write what it measured"
    if code is None:
        return (
            "error",
            kind,
            "the worker ended without a record: the fork server, which is to say how, was stopped or killed",
        )
    if ending.answered:
        why = f"the worker was ended by signal {-code}" if killed else f"the worker ended with exit code {code}"
        return "error", kind, f"what is in measured.json was not believed: {why if code else 'it is not of this cell'}"
    if killed:
        hint = "; out of host memory is the usual reason" if code == -9 else ""
        return "killed", kind, f"the worker was killed{hint}"
    return "error", kind, "the worker ended without a record"


def _killed_by_kernel(ending: Ending) -> bool:
    """For want of the host's memory, the only one that the kernel minds."""
    return ending.exit_code == -9 and ending.oom_killed
