"""The job that predicts the memory of resident processes, and what each method trains, with the plan."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from bench.measure.devices import index_of, look
from bench.measure.host_limits import free_memory_bytes
from bench.measure.resolved_device import resolve_device
from bench.method import registry
from bench.plan.fits import CONTEXT_BYTES
from bench.plan.row import PlanRow
from bench.plan.rows import Rows
from bench.ratios.comparison import Prediction
from bench.record.files import write_json
from bench.run.worker.largest_batch import HEAP_GAPS, HOST_RESERVE_BYTES, peak_bytes
from bench.study.cell import Cell


def answer(folder: Path, requested_at: float) -> None:
    """Predict the cells of request.json; answer.json gets ``cells`` by id and ``free_bytes`` of their device."""
    del requested_at
    cells = [Cell.model_validate(cell) for cell in json.loads((folder / "request.json").read_text(encoding="utf-8"))]
    wanted = cells[0].device
    resolved = resolve_device(wanted, None if wanted == "cpu" else look())
    plugins = {
        cell.method.plugin: registry.Plugin(
            name=cell.method.plugin, path=Path(cell.method.path), sha256=cell.method.sha256, origin="the cell"
        )
        for cell in cells
    }
    rows = Rows(plugins, resolved)
    found = {cell.id: asdict(_prediction(rows.row(cell))) for cell in cells}
    on_cuda = resolved.device == "cuda"
    free = torch.cuda.mem_get_info(index_of(wanted))[0] if on_cuda else free_memory_bytes()
    write_json(folder / "answer.json", {"cells": found, "free_bytes": free})


def _prediction(row: PlanRow) -> Prediction:
    return Prediction(
        needed_bytes=_needed_bytes(row), trains=row.trains,
        trains_all=row.trains and row.trainable_params is not None and row.trainable_params == row.total_params,
    )  # fmt: skip


def _needed_bytes(row: PlanRow) -> int | None:
    """Memory of a process that has reached its peak and keeps it: on a GPU with CUDA's own, on a CPU with gaps."""
    peak = peak_bytes(row)
    if peak is None:
        return None
    return peak + CONTEXT_BYTES if row.device == "cuda" else int(peak * (1 + HEAP_GAPS)) + HOST_RESERVE_BYTES
