"""Model cards beside the artifacts that a run folder keeps."""

from collections.abc import Callable
from pathlib import Path

from bench.errors import RunFolderError
from bench.method.artifact import CARD, PEFT, WHOLE
from bench.record.files import read_text, write_text
from bench.record.record import Record
from bench.record.run_folder import CELL_ID, RunFolder, valid_record
from bench.report.export.loading import Library
from bench.report.manifest import digest_of
from bench.report.results.run import Results, Run

CONFIG = "config.json"


def write(run_folder: Path, results: Results, warn: Callable[[str], None]) -> list[Path]:
    """Write a card into each kept artifact of a run folder whose measurement is among the results.

    A card that was edited since, or that this has not written, stays. A link is not followed, and
    where nothing was kept nothing is written.

    Args:
        run_folder: e.g. runs/demo; of a report, which keeps no artifacts, nothing comes.
        results: that a report was drawn from.
        warn: is told of cards that stay as they are, or cannot be written.

    Returns:
        The cards.
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
    from bench.report.export import card

    written = []
    for run, record, place in kept:
        text = card.text(record, _beside(run, record), _library(place), results.source)
        try:
            _replace(place / CARD, f"{text}{_seal(text)}")
        except RunFolderError as error:
            warn(str(error))
        else:
            written.append(place / CARD)
    return written


def _replace(path: Path, text: str) -> None:
    """Write a card where there is none, or one that is still as this wrote it.

    Raises:
        RunFolderError: it was edited, or cannot be read or written.
    """
    try:
        before = read_text(path)
    except FileNotFoundError:
        before = ""
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}") from None
    body, _, seal = before.rstrip("\n").rpartition("\n")
    if before and f"{seal}\n" != _seal(f"{body}\n"):
        raise RunFolderError(f"{path} was edited since it was written, and stays; delete it to have it written anew")
    if before != text:
        write_text(path, text)


def _seal(text: str) -> str:
    """The last line of a card, which tells whether it is still as it was written."""
    return f"<!-- sha256 of the lines above: {digest_of(text.encode())} -->\n"


def _artifact(folder: RunFolder, record: Record) -> Path | None:
    """The folder of what the very measurement of a record kept; None where there is none."""
    if record.status != "ok" or not CELL_ID.fullmatch(record.cell_id):
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
