"""What a report keeps beside its tables: the records and the study, without predictions and without paths."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from bench.record import Record
from bench.store import write_text

QUOTES_DATA = "left out, for it quotes the data; the record in the run folder has it"


def write(run: Mapping[str, Any], records: Sequence[Record], folder: Path) -> list[Path]:
    """Write records.jsonl, a record a line, and study.json: the study as it was read, the command and the cells.

    Paths of the machine say nothing to a reader elsewhere; only the names of files are kept. A prompt quotes the data,
    whose licence is not ours to give; its sha256 is kept.
    """
    lines = [json.dumps(_portable(record), sort_keys=True, allow_nan=False) for record in records]
    study = {key: run[key] for key in ("schema_version", "study", "command", "written_at", "cell_ids")}
    study["command"] = portable_command(run["command"])
    content = {"records.jsonl": "\n".join(lines) + "\n", "study.json": json.dumps(study, indent=1) + "\n"}
    for name, text in content.items():
        write_text(folder / name, text)
    return [folder / name for name in content]


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
