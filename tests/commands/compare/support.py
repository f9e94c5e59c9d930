"""Sides of a comparison: in memory, as a report and as a run folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.commands.compare.pairs import Pair
from bench.commands.compare.side import Side
from bench.record.files import write_json
from bench.record.record import Record
from bench.record.run_folder import RunFolder
from bench.report.results import archive
from bench.report.results.measured import Evidence, Measured
from bench.study.study import Study
from tests.report.predicted import results
from tests.support import write_files

STUDY = {"name": "s", "grid": [{"datasets": ["IMDb"], "models": ["RoBERTa"], "methods": ["LoRA"]}]}


def run_json(records: Sequence[Record], more_ids: Sequence[str] = (), **study: Any) -> dict[str, Any]:
    """The content of a run.json."""
    return {
        "schema_version": 1, "study": STUDY | study, "command": "tunebench run s", "written_at": "",
        "cell_ids": [*(record.cell_id for record in records), *more_ids],
    }  # fmt: skip


def alone(record: Record) -> Measured:
    """A cell of which nothing but its record is known."""
    return Measured(record, Evidence("a report keeps no predictions"))


def side(*cells: Record | Measured, not_run: Sequence[str] = (), **study: Any) -> Side:
    """A side of these records or cells."""
    found = tuple(alone(cell) if isinstance(cell, Record) else cell for cell in cells)
    settings = Study.model_validate(STUDY | study).model_dump(mode="json")
    return Side(Path("here"), "report", settings, found, tuple(not_run))


def report(folder: Path, *records: Record, more_ids: Sequence[str] = (), **study: Any) -> Path:
    """A published report of these records."""
    write_files(folder, archive.texts(results(run_json(records, more_ids, **study), *map(alone, records))))
    return folder


def run_folder(folder: Path, *cells: Measured, more_ids: Sequence[str] = ()) -> Path:
    """A run folder whose cells have been written below it, but for their records."""
    run = RunFolder(folder)
    folder.mkdir(exist_ok=True)
    for record, _ in cells:
        run.cell(record.cell_id).path.mkdir(parents=True, exist_ok=True)
        write_json(run.cell(record.cell_id).record, record.model_dump(mode="json"))
    write_json(run.run, run_json([record for record, _ in cells], more_ids))
    return folder


def pairs(a: Sequence[Record], b: Sequence[Record]) -> tuple[Pair, ...]:
    """A row: records of A and of B in the same order of seeds."""
    return tuple(Pair(alone(one), alone(other)) for one, other in zip(a, b, strict=True))


def changed(record: Record, **fields: Any) -> Record:
    """The record with these fields replaced."""
    return Record.model_validate(record.model_dump() | fields)


def changed_code(record: Record, sha256: str = "1") -> Record:
    """The record of the same cell, measured with another version of the method's code."""
    cell = record.cell.model_copy(update={"method": record.cell.method.model_copy(update={"sha256": sha256})})
    return record.model_copy(update={"cell": cell, "cell_id": cell.id})
