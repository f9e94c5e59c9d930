"""Counts of FLOPs, kept in the run folder because most cells of a study differ only in their seed."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError

import bench
from bench.measure.machine import packages
from bench.method import Task
from bench.method.source_hash import source_sha256
from bench.record.files import make_folder, read_text, write_text
from bench.record.record import Parameters
from bench.record.run_folder import RunFolder
from bench.run.worker.counting import Counted
from bench.study.cell import Cell


@dataclass(frozen=True, slots=True)
class _Kept:
    """Counts, and the parameters of the model that was counted."""

    parameters: Parameters
    counted: Counted


_JSON = TypeAdapter(_Kept)


def counted(
    folder: Path, cell: Cell, task: Task, dtype: torch.dtype, parameters: Parameters, count: Callable[[], Counted]
) -> Counted:
    """The kept counts of a cell, or those of ``count``, which are then kept.

    Args:
        folder: the cell's folder.
        cell: cell to count.
        task: its task.
        dtype: dtype of the matmuls.
        parameters: parameters of the adapted model; counts of another number of them are not used.
        count: counts the FLOPs.
    """
    run_folder = RunFolder(folder.parent.parent)
    if run_folder.cells != folder.parent:  # e.g. the folder of an explanation
        return count()
    path = run_folder.flops / f"{key(cell, task, dtype)}.json"
    try:
        kept = _JSON.validate_json(read_text(path))
    except (OSError, ValidationError, UnicodeError):
        kept = None
    if kept is not None and kept.parameters == parameters:
        return kept.counted
    found = count()
    with suppress(OSError):  # it only saves time
        make_folder(run_folder.flops)
        write_text(path, _JSON.dump_json(_Kept(parameters, found)).decode())
    return found


def key(cell: Cell, task: Task, dtype: torch.dtype) -> str:
    """A hash of all that the counts depend on: model, method, lengths, classes, packages and tunebench's source."""
    facts = {
        "model": cell.model.model_dump(mode="json", exclude={"folder", "label"}),
        "method": cell.method.model_dump(mode="json", exclude={"path", "label", "options"}),
        "labels": task.labels, "max_length": task.max_length, "dtype": str(dtype),
        "packages": packages(), "source": source_sha256(Path(bench.__file__).parent),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]
