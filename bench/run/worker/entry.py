"""Entry point of a worker: reads cell.json and writes the record."""

import gc
import shutil
from contextlib import nullcontext, suppress
from pathlib import Path

import torch

from bench.clocks import date_now, monotonic_seconds
from bench.errors import UnsupportedError
from bench.measure.malloc import keep_freed_memory
from bench.record.files import write_text
from bench.record.out_of_memory import Memory, memory_of_error
from bench.record.record import Failure, Record, Status
from bench.record.run_folder import CellFolder, read_cell
from bench.run.marks import UNCOMPARED
from bench.run.worker import checks as validity
from bench.run.worker.measurement import measure
from bench.run.worker.raw_outputs import write_steps
from bench.run.worker.work import Work
from bench.study.values import Kernels
from bench.text.message import kind_of, message, print_error, said
from bench.train.device_waits import avoid_device_waits


def run(folder: Path, requested_at: float) -> None:
    """Measure the cell in ``folder`` and write its record to measured.json, also if the cell fails.

    Args:
        folder: folder with cell.json.
        requested_at: ``monotonic_seconds()`` when the runner requested this worker.
    """
    paths = CellFolder(folder)
    cell = read_cell(paths.cell)
    prepare_process(cell.train.kernels)
    work = Work(cell, paths)  # on a GPU this initialises CUDA, outside of the cell's time
    started = monotonic_seconds()
    work.facts.update({"started_at": date_now(), "worker_start_seconds": started - requested_at})
    status: Status = "ok"
    failure = None
    try:
        measure(work)
    except Exception as error:  # any exception becomes this cell's record
        print_error(error)
        shutil.rmtree(paths.artifact, ignore_errors=True)  # it may have filled the disk
        status, memory = status_of(error)
        failure = Failure(phase=work.phases.current, type=kind_of(error), message=said(error), memory=memory)
    # A failed device may raise again; the known facts still make a record.
    with suppress(Exception) if failure else nullcontext():
        work.close()
    write_steps(paths, work.logs)
    write_text(paths.measured, _record(work, status, failure, started).model_dump_json(indent=1) + "\n")


def _record(work: Work, status: Status, failure: Failure | None, started: float) -> Record:
    wall_seconds = monotonic_seconds() - started
    adds_up = validity.adds_up(sum(phase.seconds for phase in work.phases.done), wall_seconds)
    checks = [*work.checks, adds_up, UNCOMPARED]
    facts = work.facts | {"warnings": tuple(map(message, work.facts.get("warnings", ())))}
    return Record(
        cell_id=work.cell.id, cell=work.cell, status=status, failure=failure, wall_seconds=wall_seconds,
        phases=tuple(work.phases.done),
        checks=() if failure else tuple(each.model_copy(update={"found": message(each.found)}) for each in checks),
        unknown={name: message(reason) for name, reason in work.unknown.items()}, **facts,
    )  # fmt: skip


def prepare_process(kernels: Kernels) -> None:
    """Set process-wide settings of a worker."""
    if kernels == "fast":
        keep_freed_memory()
    avoid_device_waits()
    # PyTorch prefers cuDNN's attention on Hopper and Blackwell, but it builds a graph for each new length, in some 30
    # ms. Lengths vary between batches, so step times would include the building.
    torch.backends.cuda.enable_cudnn_sdp(False)
    gc.freeze()  # collections before timed phases skip the objects of the imports


def status_of(error: Exception) -> tuple[Status, Memory | None]:
    """The status of a cell that raised, and which memory ran out, if any."""
    if isinstance(error, UnsupportedError):
        return "unsupported", None
    memory = memory_of_error(error)
    return ("error" if memory is None else "oom"), memory
