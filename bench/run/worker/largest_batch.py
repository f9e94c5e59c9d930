"""The job that finds the largest batch size of a cell whose predicted peak fits into the available memory."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch

from bench.errors import RequestError
from bench.measure.devices import index_of, look
from bench.measure.host_limits import host_limit
from bench.measure.resolved_device import ResolvedDevice, resolve_device
from bench.method import registry
from bench.plan.fits import largest_batch, reserved_bytes
from bench.plan.row import PlanRow
from bench.plan.rows import Rows
from bench.record.files import write_json
from bench.record.out_of_memory import Memory
from bench.run.oom import reduced
from bench.study.cell import Cell

#: Memory of a worker on a CPU beyond its libraries and the tensors of a plan, e.g. texts and stacks of threads. An
#: estimate, not measured.
HOST_RESERVE_BYTES = 100_000_000
#: Gaps in the heap as a fraction of the tensors' bytes in training on a CPU: 0.50 was measured for a BERT of 2 layers
#: of width 32 at batch size 1024, and 0.29 for one of 6 layers of width 384 at batch size 64.
HEAP_GAPS = 0.5


def answer(folder: Path, requested_at: float) -> None:
    """Find the largest batch size that fits for request.json; answer.json gets ``batch_size`` and ``said``."""
    del requested_at
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    cell, failed = Cell.model_validate(request["cell"]), int(request["failed_batch"])
    try:
        device = _device(request["device"], cell)
        resolved = resolve_device(device, None if device == "cpu" else look())
        left = room(resolved.device, request["failure_memory"], cell)
        batch, said = largest_fitting_batch(_planned(cell, resolved), failed, left)
    except RequestError as error:
        batch, said = None, f"the plan does not know which batch would fit: {error}"
    write_json(folder / "answer.json", {"batch_size": batch, "said": said})


def _device(measured_on: str | None, cell: Cell) -> str:
    """The device to plan for: the measured one, or the cell's if that is unknown or names it more precisely."""
    return cell.device if measured_on is None or cell.device.startswith(measured_on) else measured_on


def _planned(cell: Cell, resolved: ResolvedDevice) -> Callable[[int], PlanRow]:
    """A function that returns the cell's row of a plan by batch size."""
    method = cell.method
    plugin = registry.Plugin(name=method.plugin, path=Path(method.path), sha256=method.sha256, origin="the cell")
    rows = Rows({method.plugin: plugin}, resolved)
    return cache(lambda batch: rows.row(reduced(cell, batch)))


def room(device: str, memory: Memory, cell: Cell) -> tuple[int, str]:
    """Bytes available for tensors on a device, and a description of their limit.

    Args:
        device: ``cpu`` or ``cuda``.
        memory: memory that ran out, which may be the host's although the device is a GPU.
        cell: cell with its own memory limit.

    Raises:
        RequestError: the plan does not predict the memory that ran out.
    """
    if device == "cuda":
        if memory == "host":
            raise RequestError("it predicts the GPU's memory, but the host's ran out")
        # The cell's process has ended, so the used memory is that of other processes and of this one's CUDA context,
        # which is as large as the context of the cell's next process.
        index = index_of(cell.device)
        free = torch.cuda.mem_get_info(index)[0]
        return _room(f"what is free of the memory of GPU {index}", free, free)
    limit = host_limit(cell.limits.cell_memory_bytes)
    left = (limit.bytes - limit.base_bytes - HOST_RESERVE_BYTES) / (1 + HEAP_GAPS)
    return _room(limit.named, limit.bytes, int(left))


def _room(named: str, limit_bytes: int, left_bytes: int) -> tuple[int, str]:
    left = max(left_bytes, 0)
    return left, f"{named}, {limit_bytes / 1e9:.2f} GB, leaves {left / 1e9:.2f} GB for tensors"


def largest_fitting_batch(
    row_at: Callable[[int], PlanRow], failed_batch: int, room: tuple[int, str]
) -> tuple[int | None, str]:
    """The largest batch size below a failed one whose predicted peak fits, and a sentence about it.

    Args:
        row_at: function that returns the row by batch size; its peak must not decrease with the batch size.
        failed_batch: batch size that ran out of memory.
        room: bytes for tensors, and a description of their limit.
    """
    size, limit = room
    row = row_at(failed_batch)
    peak = peak_bytes(row)
    if peak is None:
        why = row.unsupported or next((row.unknown[key] for key in ("inference_memory",) if key in row.unknown), "")
        return None, f"the plan does not know which batch would fit: {why or 'it predicts no memory'}"
    if peak <= size:
        half = failed_batch // 2
        instead = "half of it is next" if half else "there is no smaller one"
        return half, f"the plan says {peak / 1e9:.2f} GB, and {limit}, so that it should have fit: {instead}"
    fits = largest_batch(lambda batch: (peak_bytes(row_at(batch)) or 0) <= size, failed_batch)
    if fits == 0:
        return 0, f"the plan says that no batch fits: one sequence takes {_gb(row_at(1))} GB, and {limit}"
    return fits, f"the plan says that batch {fits} fits: it takes {_gb(row_at(fits))} GB, and {limit}"


def peak_bytes(row: PlanRow) -> int | None:
    """The higher of the predicted peaks, on a GPU including its allocator's reserve; None if none is known."""
    if row.device == "cuda":
        return reserved_bytes(row)
    peaks = [memory.peak_bytes for memory in (row.train_memory, row.inference_memory) if memory is not None]
    return max(peaks, default=None)


def _gb(row: PlanRow) -> str:
    return f"{(peak_bytes(row) or 0) / 1e9:.2f}"
