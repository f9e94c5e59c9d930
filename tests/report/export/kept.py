"""Cells that kept what they adapted, as a worker would have left them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.method import Task, registry
from bench.model.load import load_config, load_tokenizer
from bench.model.weights import load_model
from bench.record.files import write_json
from bench.record.record import Record
from bench.record.run_folder import CellFolder, RunFolder
from bench.run.worker.artifact import complete, tidy
from bench.study.cell import Cell
from bench.study.grid import expand
from bench.study.sources import locate
from bench.study.study import Study
from bench.train.seeding import seed_generators
from tests.commands.compare.support import changed, run_json
from tests.support import TEST_ROWS, TRAIN_ROWS, small_study, write_texts

LABELS = ("bad", "good")
TEXTS = ("a good film", "bad and poor")


@dataclass(frozen=True)
class Kept:
    """A cell, adapted.

    Attributes:
        folder: of the cell.
        model: whose artifact lies there, in evaluation mode.
        tokenizer: of the model.
    """

    folder: CellFolder
    model: nn.Module
    tokenizer: Any

    @property
    def scores(self) -> Tensor:
        """Of TEXTS."""
        batch = self.tokenizer(list(TEXTS), padding=True, return_token_type_ids=False, return_tensors="pt")
        with torch.no_grad():
            scores: Tensor = self.model(**batch).logits
        return scores


def cell_of(method: str, encoder: Path, texts: Path, **changes: Any) -> Cell:
    """The cell of one method on the encoder."""
    write_texts(texts, train=TRAIN_ROWS, test=TEST_ROWS)
    content = small_study(encoder, texts, methods=[method], **changes)
    content["grid"][0]["seeds"] = [7]
    found = registry.find()
    study = Study.model_validate(content)
    (cell,) = expand(study, found, {method: registry.describe(found[method])}, locate(study))
    return cell


def keep(cell: Cell, run: Path) -> Kept:
    """Adapt the model of a cell, change what is trained a little, and keep it in a run folder."""
    folder = RunFolder(run).cell(cell.id)
    folder.artifact.mkdir(parents=True)
    write_json(folder.cell, cell.model_dump(mode="json"))
    source = Path(str(cell.model.folder))
    method_class = registry.load_planned(cell.method)
    method = method_class(registry.options(cell.method.name, method_class, cell.method.options))
    seed_generators(cell.seed)
    tokenizer, config = load_tokenizer(cell.model, source), load_config(cell.model, source, len(LABELS))
    model = load_model(cell.model, source, config, torch.float32, torch.device("cpu"))
    model = method.adapt(model, Task(labels=LABELS, max_length=cell.data.max_length, kind="encoder"))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    method.save(model, folder.artifact)
    tidy(folder.artifact, cell.model)
    complete(folder.artifact, model, tokenizer, LABELS, cell.model)
    return Kept(folder, model.eval(), tokenizer)


def record_of(cell: Cell, like: Record, **fields: Any) -> Record:
    """A record of a cell with the numbers of another one."""
    data = {} if like.data is None else {"data": like.data.model_copy(update={"labels": LABELS})}
    return changed(like, cell=cell, cell_id=cell.id, **data, **fields)


def write_run(run: Path, records: Sequence[Record]) -> Path:
    """A run folder of these records; what cells have kept lies there already, or nowhere."""
    for record in records:
        folder = RunFolder(run).cell(record.cell_id)
        folder.path.mkdir(parents=True, exist_ok=True)
        write_json(folder.record, record.model_dump(mode="json"))
    write_json(RunFolder(run).run, run_json(records))
    return run
