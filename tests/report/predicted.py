"""Measured cells with predictions, as a worker would have left them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn.metrics import f1_score

from bench.record.record import Record
from bench.record.run_folder import CellFolder
from bench.report.results.evidence import predictions_of
from bench.report.results.measured import Evidence, Measured
from bench.report.results.run import Results, Run
from tests.report.conftest import MakeRecord

LABELS = ("n", "p")
#: Of twelve texts, six of each class.
TRUTH = (0, 1) * 6


def flipped(*places: int) -> list[int]:
    """Predictions that are right but in these places."""
    return [1 - label if at in places else label for at, label in enumerate(TRUTH)]


def write_predictions(
    path: Path, predicted: Sequence[int], truth: Sequence[int] = TRUTH, order: Sequence[int] | None = None
) -> None:
    """A predictions.jsonl of the texts test/0, test/1, ... in this order."""
    lines = [json.dumps({"id": f"test/{i}", "label": truth[i], "prediction": predicted[i]})
             for i in order or range(len(truth))]  # fmt: skip
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


class Cells:
    """Makes cells below a folder."""

    def __init__(self, make_record: MakeRecord, folder: Path) -> None:
        self.make_record = make_record
        self.folder = folder

    def measured(self, predicted: Sequence[int], fields: dict[str, Any] | None = None, **given: Any) -> Measured:
        """A cell that predicted this of the texts of TRUTH; the rest is as for ``make_record``."""
        record: Record = self.make_record(**given)
        f1 = f1_score(TRUTH, predicted, labels=range(len(LABELS)), average="macro", zero_division=0.0)
        changes: dict[str, Any] = {
            "data": {
                "sha256": "d", "rows": {"test": len(TRUTH)}, "synthetic": False, "validation_carved": False,
                "labels": LABELS, "tokens_per_sample": 9.0, "truncated_fraction": 0.0,
            },
        }  # fmt: skip
        if record.quality is not None:
            changes["quality"] = record.quality.model_dump() | {"macro_f1": f1, "samples": len(TRUTH)}
        record = Record.model_validate(record.model_dump() | changes | (fields or {}))
        folder = self.of(record)
        folder.path.mkdir(parents=True)
        write_predictions(folder.predictions, predicted)
        return Measured(record, Evidence(predictions_of(record, folder)))

    def failed(self, **given: Any) -> Measured:
        """A cell that ran out of memory."""
        return Measured(self.make_record("oom", **given), Evidence("the cell stopped"))

    def predicting(self, cell: Measured, *given: Any, **more: Any) -> Measured:
        """The cell with other predictions, see ``write_predictions``."""
        folder = self.of(cell.record)
        write_predictions(folder.predictions, *given, **more)
        return Measured(cell.record, Evidence(predictions_of(cell.record, folder)))

    def of(self, record: Record) -> CellFolder:
        """The folder of a cell."""
        return CellFolder(self.folder / record.cell_id)


def results(run: dict[str, Any], *cells: Record | Measured) -> Results:
    """The results of one run.

    Args:
        run: as run.json tells of it.
        cells: in the study's order.
    """
    measured = tuple(Measured(one, Evidence("no predictions")) if isinstance(one, Record) else one for one in cells)
    return Results((Run(run["study"], run["command"], run["written_at"], tuple(run["cell_ids"]), measured),))


def study(*pairs: tuple[str, str], **tables: Any) -> dict[str, Any]:
    """A study as a run folder keeps it."""
    grid = {"datasets": ["d"], "models": ["m"]}
    return {
        "name": "s", "title": "Run", "notes": "", "grid": [grid], "methods": {}, "comparisons": [*map(list, pairs)],
    } | tables  # fmt: skip


#: The run.json of a study of no cells.
RUN = {"study": study(), "command": "tunebench run s", "written_at": "", "cell_ids": []}
