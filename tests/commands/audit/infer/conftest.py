"""A small study whose peaks are predicted once, for tables that are made from these peaks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.commands.audit.infer import Inference, infer
from bench.commands.audit.infer.conditions import Conditions, all_conditions
from bench.commands.audit.infer.fit import Figures
from bench.commands.audit.infer.peaks import Peaks, predict_peaks
from bench.commands.audit.match import match
from bench.commands.audit.published import load
from bench.plan.plan import Plan
from bench.plan.row import PlanRow
from bench.study.cell import Cell
from bench.study.request import Request
from bench.study.study import Study

#: Two layers of RoBERTa-base, because every operator takes time and its size does not.
ROBERTA: dict[str, Any] = {
    "model_type": "roberta", "architectures": ["RobertaForSequenceClassification"], "vocab_size": 50265,
    "hidden_size": 768, "num_hidden_layers": 2, "num_attention_heads": 12, "intermediate_size": 3072,
    "max_position_embeddings": 514, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip
METHODS = {
    "bitfit": {}, "full_ft": {}, "lora": {"dropout": 0.1},
    "p_tuning": {"num_virtual_tokens": 20, "reparameterization": "none"},
    "moe": {"num_experts": 4, "layers": "last:1"},
}  # fmt: skip
UNITS = {"MB": 1e6, "MiB": 2.0**20}


@dataclass(frozen=True)
class Column:
    """The predicted peaks of one row per method, and tables made from them."""

    folder: Path
    cells: list[Cell]
    rows: list[PlanRow]
    conditions: tuple[Conditions, ...]
    peaks: Peaks

    def printed(self, conditions: Conditions, batches: int | Sequence[int], unit: str = "MiB") -> np.ndarray:
        """The peaks of all rows as a paper would print them, without rounding."""
        at = self.peaks[self.conditions.index(conditions)]
        printed: np.ndarray = at[np.arange(len(at)), np.broadcast_to(batches, len(at))] / UNITS[unit]
        return printed

    def figures(self, printed: np.ndarray) -> Figures:
        return Figures(np.asarray(printed, float), np.arange(len(self.cells)), UNITS, self.peaks)

    def inferred(self, printed: np.ndarray, methods: Sequence[str] = tuple(METHODS)) -> Inference:
        """What the command infers from a csv file with these peaks, printed with one decimal in "MB"."""
        lines = [
            f"texts,model,{method},{peak:.1f}"
            for method, peak in zip(METHODS, printed, strict=True)
            if method in methods
        ]
        path = self.folder / "mine.csv"
        path.write_text("\n".join(["dataset,model,method,peak_memory_mb", *lines]), encoding="utf-8")
        published = load(path)
        cells = {(cell.dataset.name, cell.model.name, cell.method.name): cell for cell in self.cells}
        return infer(published, match(published, self.rows, ()), cells, self._known, "cuda")[0]

    def _known(self, cells: Sequence[Cell], conditions: Sequence[Conditions]) -> tuple[Peaks, tuple[str, ...]]:
        rows = [[known.method.name for known in self.cells].index(cell.method.name) for cell in cells]
        kept = [
            next(i for i, known in enumerate(self.conditions) if known == each or _but_for_dropout(known, each))
            for each in conditions
        ]
        return self.peaks[kept][:, rows], ()


def _but_for_dropout(known: Conditions, wanted: Conditions) -> bool:
    """Without a method that has the option, the rows do not depend on it."""
    same = [getattr(known, name) == getattr(wanted, name) for name in ("precision", "attention", "checkpointing")]
    return wanted.dropout is None and all(same) and known.capability == wanted.capability


@pytest.fixture(scope="session")
def column(tmp_path_factory: pytest.TempPathFactory) -> Column:
    folder = tmp_path_factory.mktemp("infer")
    (folder / "config.json").write_text(json.dumps(ROBERTA), encoding="utf-8")
    content = {
        "name": "hidden", "device": "cuda", "baselines": False, "data": {"max_length": 256},
        "grid": [{"datasets": ["texts"], "models": ["model"], "methods": list(METHODS)}],
        "datasets": {"texts": {"hub_id": "nobody/nothing", "labels": ["bad", "good"]}},
        "models": {"model": {"path": str(folder), "weights": "random"}},
        "methods": {name: {"options": options} for name, options in METHODS.items()},
    }  # fmt: skip
    plan = Plan(Request(study=Study.model_validate_json(json.dumps(content)).in_folder(folder)), with_memory=False)
    conditions = all_conditions((True, False), "cuda")
    peaks, reasons = predict_peaks(plan.cells, conditions, plan.resolved)
    assert reasons == ()
    return Column(folder, plan.cells, plan.rows(), conditions, peaks)
