"""Predicted peaks of several cells under all conditions and at all batch sizes."""

import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.commands.audit.infer.conditions import Conditions, cell_under, dropout_option
from bench.errors import StudyError
from bench.measure.resolved_device import ResolvedDevice
from bench.method import registry
from bench.plan.shape import Shape
from bench.plan.step_memory import StepMemory
from bench.study.cell import Cell
from bench.text.display import one_line

Peaks = NDArray[np.float64]
#: Batch sizes that are tried. Batch size 0 stands for what is held without any activations.
LARGEST_BATCH = 256
BATCHES = np.arange(LARGEST_BATCH + 1)


@dataclass(frozen=True, slots=True)
class Job:
    """A cell under conditions that one adapted model can be run under.

    Attributes:
        column: index of the cell.
        cell: cell under these conditions.
        masked: indices of the conditions with an attention mask.
        unmasked: indices of those without.
    """

    column: int
    cell: Cell
    masked: tuple[int, ...]
    unmasked: tuple[int, ...]


def predict_peaks(
    cells: Sequence[Cell], conditions: Sequence[Conditions], resolved: ResolvedDevice,
    on_job: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Peaks, tuple[str, ...]]:  # fmt: skip
    """Predicted peak bytes of training.

    Args:
        cells: cells whose methods train something.
        conditions: conditions to predict under.
        resolved: device whose kernels and allocator are assumed.
        on_job: called with the number of finished jobs and their total.

    Returns:
        Bytes, shape (conditions, cells, LARGEST_BATCH + 1), NaN where they cannot be predicted; and the reasons.

    Raises:
        StudyError: a process ended early.
    """
    jobs = [job for column, cell in enumerate(cells) for job in _jobs(column, cell, conditions)]
    peaks = np.full((len(conditions), len(cells), len(BATCHES)), np.nan)
    reasons: list[str] = []
    for done, (job, found) in enumerate(zip(jobs, _run(jobs, resolved), strict=True), start=1):
        if isinstance(found, str):
            reasons.append(f"{job.cell.method.label}: {found}")
        else:
            peaks[list(job.masked), job.column], peaks[list(job.unmasked), job.column] = found
        on_job(done, len(jobs))
    peaks += np.array([each.workspace_bytes for each in conditions])[:, None, None]
    return peaks, tuple(dict.fromkeys(reasons))


def _jobs(column: int, cell: Cell, conditions: Sequence[Conditions]) -> list[Job]:
    """The jobs of a cell: conditions that its method ignores, such as dropout without an option for it, share one."""
    option = dropout_option(registry.load(cell.method.plugin, Path(cell.method.path)))
    under = [cell_under(cell, each, option) for each in conditions]
    groups: dict[str, list[int]] = {}
    for index, changed in enumerate(under):
        groups.setdefault(changed.model_dump_json(), []).append(index)
    return [
        Job(
            column, under[indices[0]], tuple(index for index in indices if conditions[index].masked),
            tuple(index for index in indices if not conditions[index].masked),
        )
        for indices in groups.values()
    ]  # fmt: skip


def _run(jobs: Sequence[Job], resolved: ResolvedDevice) -> Iterator[tuple[Peaks, Peaks] | str]:
    """The results of all jobs in their order, computed on all cores."""
    # If a plugin has initialised CUDA, a forked process could not use it.
    workers = 1 if torch.cuda.is_initialized() else min(len(jobs), len(os.sched_getaffinity(0)))
    work = partial(_peaks_of, resolved=resolved)
    if workers <= 1:
        yield from map(work, jobs)
        return
    gc.freeze()  # objects of libraries stay, so collections can skip them
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(workers, context, initializer=_one_of_several) as pool:
            yield from pool.map(work, jobs)
    except BrokenProcessPool:
        raise StudyError("a process that predicted memory ended early, perhaps for lack of memory") from None


def _one_of_several() -> None:
    """Set up a process of the pool: one thread, and garbage collection only between jobs."""
    torch.set_num_threads(1)
    gc.disable()


def _peaks_of(job: Job, resolved: ResolvedDevice) -> tuple[Peaks, Peaks] | str:
    """Peaks with and without a mask, each of shape (LARGEST_BATCH + 1,), or the reason why there are none."""
    try:
        with redirect_stdout(sys.stderr):  # a plugin's output is no part of the audit
            return _predicted(job, resolved)
    except (Exception, SystemExit) as error:  # a plugin may raise anything; the other rows go on
        return one_line(f"{type(error).__name__}: {error}", 300)
    finally:
        gc.collect()


def _predicted(job: Job, resolved: ResolvedDevice) -> tuple[Peaks, Peaks]:
    shape = Shape(job.cell, True, resolved)
    memory = StepMemory(shape.adapted(shape.config), shape.method, job.cell, shape.device, shape.dtype)

    none = np.full(len(BATCHES), np.nan)
    masked = memory.peaks(BATCHES) if job.masked else none
    return masked, memory.peaks(BATCHES, masked=False) if job.unmasked else none
