"""Model cards next to the artifacts that a run folder keeps."""

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

    A card that was edited, or written by other means, is kept. Links are not followed.

    Args:
        run_folder: run folder, e.g. runs/demo; a report keeps no artifacts.
        results: results of the report.
        warn: callback for cards that are kept or cannot be written.

    Returns:
        The paths of the written cards.
    """
    folder = RunFolder(run_folder)
    if folder.cells.is_symlink():
        return []
    kept = [
        (run, record, place) for run in results.runs for record in run.records
        if (place := _artifact(folder, record)) is not None
    ]  # fmt: skip
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
    """Write a card unless an edited one exists.

    Raises:
        RunFolderError: the card was edited, or cannot be read or written.
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
    """The last line of a card, which shows whether the card was edited."""
    return f"<!-- sha256 of the lines above: {digest_of(text.encode())} -->\n"


def _artifact(folder: RunFolder, record: Record) -> Path | None:
    """The artifact folder of a record's measurement; None if there is none."""
    if record.status != "ok" or record.cell.model.kind == "none" or not CELL_ID.fullmatch(record.cell_id):
        return None
    cell = folder.cell(record.cell_id)
    place = cell.artifact
    if cell.path.is_symlink() or place.is_symlink() or not place.is_dir() or not any(place.glob("*.safetensors")):
        return None
    there = valid_record(cell.record)
    return place if there is not None and there.started_at == record.started_at else None


def _library(place: Path) -> Library:
    """The library that loads an artifact, judged by its files."""
    if (place / PEFT).is_file():
        return "peft"
    return "transformers" if (place / WHOLE).is_file() and (place / CONFIG).is_file() else "tunebench"


def _beside(run: Run, record: Record) -> list[Record]:
    """The records of a run on the same dataset and model."""
    own = record.cell.dataset, record.cell.model
    return [one for one in run.records if (one.cell.dataset, one.cell.model) == own]
