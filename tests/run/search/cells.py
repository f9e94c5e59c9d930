"""Cells and records of made-up trials."""

import hashlib
from typing import Any

from bench.method.search_space import Range, dump
from bench.record.quality import Quality
from bench.record.record import Failure, Record, Training, ValidationPoint
from bench.study.cell import Cell
from bench.study.study import Study

SPACE = {"learning_rate": Range(low=1e-4, high=1e-2, log=True), "r": Range(low=1, high=64, log=True)}
SAYS: dict[str, Any] = {"space": dump(SPACE), "options": [*SPACE, "alpha"]}


def study_of(**tune: Any) -> Study:
    """A study with this search."""
    grid = {"datasets": ["reviews"], "models": ["tiny"], "methods": ["lora", "bitfit"]}
    return Study.model_validate({"name": "made_up", "grid": [grid], "tune": tune})


def cell_of(method: str, seed: int) -> Cell:
    """A cell of the study before its search."""
    study = study_of(trials=1)
    return Cell.model_validate({
        "study": study.name, "seed": seed, "data": study.data, "train": study.train, "limits": study.limits,
        "dataset": {"name": "reviews", "label": "Reviews", "kind": "synthetic", "fingerprint": "0"},
        "model": {"name": "tiny", "label": "Tiny", "kind": "encoder", "fingerprint": "0", "weights": "pretrained"},
        "method": {"name": method, "label": method, "plugin": method, "path": "", "sha256": "0"},
    })  # fmt: skip


def record_of(
    cell: Cell, *, status: Any = "ok", seconds: float = 1.0, curve: tuple[float, ...] = (), pruned: bool = False
) -> Record:
    """A record of a trial, whose F1 depends on its settings and seed alone."""
    draw = int(hashlib.sha256(cell.id.encode()).hexdigest()[:8], 16) / 2**32
    facts: dict[str, Any] = {}
    if status == "ok":
        facts["quality"] = Quality(
            split="validation", samples=4, macro_f1=draw, weighted_f1=draw, accuracy=draw, macro_precision=draw,
            macro_recall=draw, f1_by_label={}, label_counts={"no": 3, "yes": 1}, majority_macro_f1=0.4,
        )  # fmt: skip
        points = tuple(ValidationPoint(step=at, train_seconds=at, macro_f1=f1) for at, f1 in enumerate(curve, start=1))
        facts["training"] = Training(
            steps=1, samples=4, final_loss=0.1, speed=None, validation=points, training_flops=1e6, pruned=pruned
        )
    else:
        facts["failure"] = Failure(phase="train", type="Special", message="made up")
    return Record(
        cell_id=cell.id, cell=cell, status=status, started_at="2026-01-01T00:00:00+00:00", wall_seconds=seconds, **facts
    )
