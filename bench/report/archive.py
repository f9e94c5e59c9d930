"""What a report keeps beside its tables: the records and the study, without predictions and without paths."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from bench.errors import RunFolderError
from bench.record import Record
from bench.store import parse_record, refuse_newer, write_files

RECORDS, STUDY = "records.jsonl", "study.json"
QUOTES_DATA = "left out, for it quotes the data; the record in the run folder has it"


def write(run: Mapping[str, Any], records: Sequence[Record], folder: Path) -> list[Path]:
    """Write records.jsonl, a record a line, and study.json: the study as it was read, the command and the cells.

    Paths of the machine say nothing to a reader elsewhere; only the names of files are kept. A prompt quotes the data,
    whose licence is not ours to give; its sha256 is kept.
    """
    lines = [json.dumps(_portable(record), sort_keys=True, allow_nan=False) for record in records]
    study = {key: run[key] for key in ("schema_version", "study", "command", "written_at", "cell_ids")}
    study["command"] = portable_command(run["command"])
    content = {RECORDS: "\n".join(lines) + "\n", STUDY: json.dumps(study, indent=1) + "\n"}
    return write_files(folder, content)


def read(folder: Path) -> tuple[dict[str, Any], list[Record]]:
    """What ``write`` wrote: the content of study.json, and the records in their order.

    Raises:
        RunFolderError: a file is missing, damaged or of a newer schema.
    """
    study, text = _study(folder / STUDY), _text(folder / RECORDS)
    lines = enumerate(text.split("\n"), start=1)
    return study, [parse_record(line, f"{folder / RECORDS}, line {number}") for number, line in lines if line.strip()]


def _study(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path))
        refuse_newer(content["schema_version"], path)
        cell_ids = content["cell_ids"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{path} cannot be read: {type(error).__name__}: {error}") from None
    if not isinstance(cell_ids, list) or not all(isinstance(cell_id, str) for cell_id in cell_ids):
        raise RunFolderError(f"{path} cannot be read: it lists no cells")
    return dict(content)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunFolderError(f"{path.parent} is not a whole report: it has no {path.name}") from None
    except (ValueError, OSError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}") from None


def portable_command(command: str) -> str:
    """A command whose absolute paths are cut to their last names."""
    try:
        words = shlex.split(command)
    except ValueError:  # written by hand; what cannot be read stays
        return command
    return shlex.join(PurePath(word).name or word if word.startswith("/") else word for word in words)


def _portable(record: Record) -> dict[str, Any]:
    content = record.model_dump(mode="json")
    if content["prompt"] is not None:
        content["prompt"]["example"] = QUOTES_DATA
    cell = content["cell"]
    cell["dataset"]["files"] = {split: PurePath(path).name for split, path in cell["dataset"]["files"].items()}
    for place, key in (("model", "folder"), ("method", "path")):
        if cell[place][key] is not None:
            cell[place][key] = PurePath(cell[place][key]).name
    return content
