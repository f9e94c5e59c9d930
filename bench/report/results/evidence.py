"""Predictions, curves, insights and logs, read from the folders of cells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from bench.errors import RunFolderError
from bench.method.insight import Insight
from bench.record.files import read_text
from bench.record.log_end import end_of_log
from bench.record.record import Record
from bench.record.run_folder import CellFolder
from bench.report.results import predictions, step_curve
from bench.report.results.measured import Evidence, Measured, Shown, by_row
from bench.report.results.portable import FOLDERS
from bench.report.results.predictions import Predictions
from bench.text.display import one_line
from bench.text.json_text import loads
from bench.text.redaction import redacted

#: Characters kept of a log: its end, which reports a failure.
LONGEST_LOG = 2000
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def collect(cells: Sequence[tuple[Record, CellFolder]]) -> tuple[Measured, ...]:
    """Read the evidence of a run's cells, failed ones included."""
    found = {record.cell_id: Measured(record, _beside(record, folder)) for record, folder in cells}
    folders = {record.cell_id: folder for record, folder in cells}
    for row in by_row(found.values()):
        shown = _first_shown([cell for cell in row if cell.record.status == "ok"], folders)
        if shown is not None:
            found[shown.record.cell_id] = shown
    return tuple(found.values())


def _beside(record: Record, folder: CellFolder) -> Evidence:
    log = _log(folder.stderr)
    try:
        curves = step_curve.read(folder.steps)
    except RunFolderError as error:
        curves, log = (), f"{error}\n{log}".strip()
    return Evidence(predictions_of(record, folder), curves, log=log)


def predictions_of(record: Record, folder: CellFolder) -> Predictions | str:
    """The predictions of a cell, or the reason why there are none."""
    if record.status != "ok":
        return "the cell stopped"
    if record.data is None:
        return record.unknown.get("data", "the record says nothing of its data")
    try:
        return predictions.read(folder.predictions, len(record.data.labels))
    except RunFolderError as error:
        return str(error)


def _log(path: Path) -> str:
    """The end of a log, with paths cut to their last names, which are all that a reader on another machine needs."""
    portable = FOLDERS.sub("", COLOURS.sub("", redacted(end_of_log(path, 4 * LONGEST_LOG))))
    lines = "".join(char if char.isprintable() or char == "\n" else " " for char in portable)
    return lines.strip()[-LONGEST_LOG:]


def _first_shown(row: Sequence[Measured], folders: Mapping[str, CellFolder]) -> Measured | None:
    """The first cell of a row with insights that can be read, else the last with an insights file."""
    troubles: list[str] = []
    tried: tuple[Measured, list[Insight]] | None = None
    for cell in row:
        parts, wrong = _parts(folders[cell.record.cell_id].insights)
        troubles += [f"seed {cell.record.cell.seed}: {one_line(text, 200)}." for text in wrong]
        if parts or wrong:
            tried = cell, parts
        if parts:
            break
    if tried is None:
        return None
    cell, parts = tried
    evidence = replace(cell.evidence, shown=tuple(map(Shown.of, parts)), troubles=tuple(troubles))
    return Measured(cell.record, evidence)


def _parts(path: Path) -> tuple[list[Insight], list[str]]:
    """The insights of a file and its errors; both are empty if there is no file."""
    try:
        content = loads(read_text(path))
        entries = content.get("parts") if isinstance(content, dict) else None
        if not isinstance(entries, list):
            return [], [f"{path.name} holds no list of parts"]
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"{path.name} cannot be read: {error.strerror}"]
    except (ValueError, RecursionError) as error:
        return [], [f"{path.name} cannot be read: {type(error).__name__}: {error}"]
    parts: dict[str, Insight] = {}
    wrong = []
    for number, entry in enumerate(entries, start=1):
        try:
            part = Insight.model_validate(entry)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, (number, *first["loc"])))
            wrong.append(f"{path.name} is not valid at part {place}: {first['msg']}")
            continue
        if part.name in parts:
            wrong.append(f"{path.name} has two parts of the name {part.name}; the first is shown")
        parts.setdefault(part.name, part)
    return list(parts.values()), wrong
