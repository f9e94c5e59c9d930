"""Model cards beside the artifacts that a run folder keeps."""

from pathlib import Path

from bench.artifact import CARD, PEFT, WHOLE
from bench.export.loading import Library
from bench.record import Record
from bench.report.results.run import Results, Run
from bench.store import CELL_ID, RunFolder, valid_record, write_text

CONFIG = "config.json"


def write(run_folder: Path, results: Results) -> list[Path]:
    """Write a card into each kept artifact of a run folder whose measurement is among the results.

    Another card in its place is replaced. A link is not followed, and where nothing was kept nothing is written.

    Args:
        run_folder: e.g. runs/demo; of a report, which keeps no artifacts, nothing comes.
        results: that a report was drawn from.

    Returns:
        The cards.

    Raises:
        RunFolderError: a card cannot be written.
    """
    folder = RunFolder(run_folder)
    if folder.cells.is_symlink():
        return []
    kept = [
        (run, record, place)
        for run in results.runs
        for record in run.records
        if (place := _artifact(folder, record)) is not None
    ]
    if not kept:
        return []
    from bench.export import card  # brings the hub's client along

    for run, record, place in kept:
        text = card.text(record, _beside(run, record), _library(place), results.source)
        write_text(place / CARD, text)
    return [place / CARD for _, _, place in kept]


def _artifact(folder: RunFolder, record: Record) -> Path | None:
    """The folder of what the very measurement of a record kept; None where there is none."""
    if record.status != "ok" or not CELL_ID.fullmatch(record.cell_id) or record.cell_id in (".", ".."):
        return None
    cell = folder.cell(record.cell_id)
    place = cell.artifact
    if cell.path.is_symlink() or place.is_symlink() or not place.is_dir() or not any(place.glob("*.safetensors")):
        return None
    there = valid_record(cell.record)
    return place if there is not None and there.started_at == record.started_at else None


def _library(place: Path) -> Library:
    """What loads an artifact, by the files in it."""
    if (place / PEFT).is_file():
        return "peft"
    return "transformers" if (place / WHOLE).is_file() and (place / CONFIG).is_file() else "tunebench"


def _beside(run: Run, record: Record) -> list[Record]:
    """The records of a run on the dataset and the model of one of them."""
    own = record.cell.dataset, record.cell.model
    return [one for one in run.records if (one.cell.dataset, one.cell.model) == own]
