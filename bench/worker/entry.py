"""One cell in a process of its own: cell.json in, record.json out."""

import gc
import shutil
import time
import traceback
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

import torch

from bench.allocator import keep_freed_memory
from bench.device_waits import avoid_device_waits
from bench.errors import UnsupportedError
from bench.host_memory import limit_data
from bench.out_of_memory import Memory, memory_of_error
from bench.record import Failure, Record, Status
from bench.store import CellFolder, read_cell, read_record, write_json, write_text
from bench.worker import stamp
from bench.worker.measurement import measure
from bench.worker.samples import write_steps
from bench.worker.work import Work


def run(folder: Path, requested_at: float) -> None:
    """Measure the cell in ``folder`` and write measured.json, its record; a failure of the cell is a record too.

    Args:
        folder: holds cell.json.
        requested_at: ``time.time()`` when the runner asked for this worker.
    """
    prepare_process()
    paths = CellFolder(folder)
    work = Work(read_cell(paths.cell), paths)  # on a GPU this starts CUDA, which is no part of the cell's work
    started = time.time()
    status: Status = "ok"
    failure = None
    try:
        measure(work)
    except Exception as error:  # the border: whatever a plugin or a library raises becomes this cell's row
        traceback.print_exc()
        shutil.rmtree(paths.artifact, ignore_errors=True)  # of no use, and perhaps what has filled the disk
        status, memory = _status(error)
        failure = Failure(
            phase=work.phases.current, type=type(error).__name__, message=str(error)[:4000], memory=memory
        )
    # A device that has failed may answer nothing more; what is known so far still makes a record.
    with suppress(Exception) if failure else nullcontext():
        work.close()
    write_steps(paths, work.logs)
    write_text(paths.measured, _record(work, status, failure, requested_at, started).model_dump_json(indent=1) + "\n")


def _record(work: Work, status: Status, failure: Failure | None, requested_at: float, started: float) -> Record:
    wall_seconds = time.time() - started
    checks = [*work.checks, stamp.adds_up(sum(phase.seconds for phase in work.phases.done), wall_seconds)]
    return Record.model_validate(
        {
            "cell_id": work.cell.id,
            "cell": work.cell,
            "status": status,
            "failure": failure,
            "started_at": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
            "wall_seconds": wall_seconds,
            "worker_start_seconds": started - requested_at,
            "phases": work.phases.done,
            "checks": () if failure else checks,
            "unknown": work.unknown,
            **work.facts,
        }
    )


def prepare_process() -> None:
    """Settings that hold for the whole process of a worker."""
    keep_freed_memory()
    avoid_device_waits()
    # cuDNN builds a graph for each length that it has not seen, in some 30 ms, and lengths differ from batch to batch:
    # steps would time the building. PyTorch prefers cuDNN on Hopper and Blackwell.
    torch.backends.cuda.enable_cudnn_sdp(False)
    gc.freeze()  # what the imports made stays for good; collections before timed stretches need not walk it again


def _status(error: Exception) -> tuple[Status, Memory | None]:
    """The status of a cell that raised, and whose memory ran out if one did."""
    if isinstance(error, UnsupportedError):
        return "unsupported", None
    memory = memory_of_error(error)
    return ("error" if memory is None else "oom"), memory


def replay(cell_path: Path) -> int:
    """Measure one cell again from its cell.json, into a folder ``replay`` beside it; returns an exit code."""
    folder = cell_path.resolve().parent / "replay"
    folder.mkdir(exist_ok=True)
    cell = read_cell(cell_path)
    write_json(CellFolder(folder).cell, cell.model_dump(mode="json"))
    if cell.limits.cell_memory_bytes is not None:
        limit_data(cell.limits.cell_memory_bytes)
    run(folder, time.time())
    CellFolder(folder).measured.replace(CellFolder(folder).record)
    print(CellFolder(folder).record)
    record = read_record(CellFolder(folder).record)
    return 0 if record is not None and record.status == "ok" else 1
