"""The archive of a report: everything it is drawn from, without texts of the data and without paths."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from bench.errors import RunFolderError
from bench.record.files import MOST_BYTES, MOST_BYTES_OF_LINES, read_text
from bench.record.record import SCHEMA_VERSION
from bench.record.run_folder import parse_record, refuse_newer, study_of
from bench.report.manifest import MANIFEST
from bench.report.manifest import read as manifest_of
from bench.report.results import evidence_lines, portable
from bench.report.results.measured import Evidence, Measured
from bench.report.results.run import Results, Run
from bench.text.json_text import loads

#: Attempts to read files that another process may be replacing.
MOST_READINGS = 5
#: Longer than a draw takes to move its files one by one.
MOVING_SECONDS = 0.02
RECORDS, STUDY, EVIDENCE = "records.jsonl", "study.json", "evidence.jsonl"
NO_EVIDENCE = "an earlier report, which keeps no predictions"


def texts(results: Results) -> dict[str, str]:
    """The archive's files by name.

    records.jsonl holds one record per line, study.json the study, the command and the cell ids, evidence.jsonl the
    evidence. Paths are cut to file names. A prompt quotes the data, whose licence we cannot grant, so only its sha256
    is kept. For several runs, study.json holds a list, and the records follow run by run.
    """
    runs = [_run(run) for run in results.runs]
    study = runs[0] if len(runs) == 1 else {"schema_version": SCHEMA_VERSION, "runs": runs}
    lines = [json.dumps(portable.record(record), sort_keys=True, allow_nan=False) for record, _ in results.cells]
    beside = evidence_lines.write(results.cells)
    return {
        RECORDS: "".join(f"{line}\n" for line in lines),
        STUDY: json.dumps(study, indent=1) + "\n",
        EVIDENCE: "".join(f"{line}\n" for line in beside),
    }


def _run(run: Run) -> dict[str, Any]:
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION, "study": portable.study(run.study), "command": portable.command(run.command),
        "written_at": run.written_at, "cell_ids": list(run.cell_ids), "records": len(run.cells),
    }  # fmt: skip
    return content | ({"unread": list(run.unread)} if run.unread else {})


def read(folder: Path, *, changed: bool = False) -> Results:
    """The results that a report was drawn from.

    Args:
        folder: folder of the report.
        changed: whether to accept files that differ from the report's manifest.

    Raises:
        RunFolderError: a file is missing, damaged, of a newer schema, or was changed after the report was drawn.
    """
    wrong = None
    for number in range(MOST_READINGS):
        if wrong is not None:
            Event().wait(MOVING_SECONDS * number)
        before = _draw_of(folder)
        contents = {name: _text(folder / name) for name in (RECORDS, STUDY)}
        if (folder / EVIDENCE).exists():  # older reports have none
            contents[EVIDENCE] = _text(folder / EVIDENCE)
        wrong = None if changed else _unlike_manifest(contents, folder)
        if _draw_of(folder) == before and wrong is None:
            return parse(contents, folder)
    if wrong is not None:
        parse(contents, folder)  # its error says where a file is damaged
        raise RunFolderError(
            f"{folder / wrong} is not the file that {MANIFEST} beside it names; put it back as it was, or draw the "
            "report anew from its run folder"
        )
    raise RunFolderError(f"{folder} is drawn anew again and again while it is read; wait for that to end")


def _unlike_manifest(contents: Mapping[str, str], folder: Path) -> str | None:
    """The name of the first file that differs from report.json; None if there is none, or no report.json.

    Missing evidence is no change: older reports have none. While files are moved one by one, the manifest, which is
    moved last, is that of the draw before.
    """
    if not (folder / MANIFEST).exists():
        return None
    said = manifest_of(folder).files
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in contents.items()}
    return next((name for name, digest in digests.items() if said.get(name) != digest), None)


def _draw_of(folder: Path) -> tuple[int, ...]:
    """An id of the draw: each draw replaces the folder or at least its files."""
    places = (folder, folder / RECORDS, folder / STUDY, folder / MANIFEST)
    return tuple(place.stat().st_ino for place in places if place.exists())


def parse(contents: Mapping[str, str], folder: Path) -> Results:
    """The results of an archive's files.

    Args:
        contents: texts of the files by name, see ``texts``.
        folder: folder of the files, for messages.

    Raises:
        RunFolderError: a file is damaged or of a newer schema.
    """
    where = folder / RECORDS
    lines = enumerate(contents[RECORDS].split("\n"), start=1)
    records = [parse_record(line, f"{where}, line {number}") for number, line in lines if line.strip()]
    if EVIDENCE in contents:
        beside = evidence_lines.read(contents[EVIDENCE], records, folder / EVIDENCE)
    else:
        beside = [Evidence(NO_EVIDENCE)] * len(records)
    cells = [Measured(*pair) for pair in zip(records, beside, strict=True)]
    runs = tuple(_split(_studies(contents[STUDY], folder / STUDY), cells, folder / STUDY))
    records_digest, evidence_digest = (
        hashlib.sha256(contents[name].encode()).hexdigest() if name in contents else "" for name in (RECORDS, EVIDENCE)
    )
    return Results(runs, records_digest, evidence_digest)


def _split(studies: Sequence[Mapping[str, Any]], cells: Sequence[Measured], where: Path) -> Iterator[Run]:
    """The runs with their cells."""
    told = [len(cells)] if len(studies) == 1 else [study.get("records") for study in studies]
    counts = [count for count in told if isinstance(count, int) and count >= 0]
    if len(counts) < len(studies) or sum(counts) != len(cells):
        raise RunFolderError(f"{where} cannot be read: it does not say which records belong to which run")
    begin = 0
    for study, count in zip(studies, counts, strict=True):
        own = tuple(cells[begin : begin + count])
        begin += count
        yield Run(
            study_of(study, where), study["command"], study["written_at"], tuple(study["cell_ids"]), own,
            tuple(study.get("unread", ())),
        )  # fmt: skip


def _studies(text: str, where: Path) -> list[dict[str, Any]]:
    """The content of study.json, by run."""
    try:
        content = loads(text)
        refuse_newer(content["schema_version"], where)
        studies = content.get("runs", [content])
        listed = [ids for study in studies for ids in (study["cell_ids"], study.get("unread", []))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunFolderError(f"{where} cannot be read: {type(error).__name__}: {error}") from None
    if not studies or not all(isinstance(ids, list) and all(isinstance(one, str) for one in ids) for ids in listed):
        raise RunFolderError(f"{where} cannot be read: it lists no cells")
    return [dict(study) for study in studies]


def _text(path: Path) -> str:
    try:
        return read_text(path, MOST_BYTES if path.name == STUDY else MOST_BYTES_OF_LINES)
    except FileNotFoundError:
        raise RunFolderError(f"{path.parent} is not a whole report: it has no {path.name}") from None
    except (ValueError, OSError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}") from None
