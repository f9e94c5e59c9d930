"""Reading run folders and earlier reports."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import NewerSchemaError, RunFolderError
from bench.record.digests import known_digests, read_kept
from bench.record.record import Record
from bench.record.run_folder import CellFolder, RunFolder, study_of
from bench.report.results import archive, evidence
from bench.report.results.run import Results, Run

Warn = Callable[[str], None]


def load(paths: Sequence[Path], warn: Warn) -> Results:
    """The results of one or several run folders or reports, as a report's archive holds them.

    Args:
        paths: run folders or reports, each once.
        warn: callback for records that cannot be read and are left out.

    Raises:
        RunFolderError: a path is neither run folder nor report, damaged, given twice, or of a newer schema.
    """
    if len(set(map(os.path.realpath, paths))) < len(paths):
        raise RunFolderError("a run folder is given twice: give each once")
    read = [_results(path, warn) for path in paths]
    loaded = Results(tuple(run for one in read for run in one.runs))
    _require_apart(loaded)
    # Through the archive, so that the report can be drawn again from it.
    return archive.parse(archive.texts(loaded), paths[0])


def _require_apart(results: Results) -> None:
    """Refuse a measurement that is given twice, e.g. in a run folder and in its report.

    Raises:
        RunFolderError: a measurement is given twice.
    """
    seen: set[tuple[str, str]] = set()
    for run in results.runs:
        own = {(record.cell_id, record.started_at) for record in run.records}
        if twice := seen & own:
            raise RunFolderError(f"the same measurement of {min(twice)[0]} is in several of the folders: give it once")
        seen |= own


def _results(path: Path, warn: Warn) -> Results:
    run_folder = RunFolder(path)
    if run_folder.run.exists():
        return Results((_run(run_folder, warn),))
    if (path / archive.RECORDS).exists():
        return archive.read(path)
    raise RunFolderError(
        f"{path} is neither a run folder nor a report: it has no {run_folder.run.name} and no {archive.RECORDS}"
    )


def _run(run_folder: RunFolder, warn: Warn) -> Run:
    content, cell_ids = run_folder.read_run(), run_folder.cell_ids()
    study, known = study_of(content, run_folder.run), known_digests(content, run_folder.run)
    found: list[tuple[Record, CellFolder]] = []
    unread = []
    for cell_id in dict.fromkeys(cell_ids):
        folder = run_folder.cell(cell_id)
        try:
            record = read_kept(folder, known)
            if record is not None and record.cell_id != cell_id:
                raise RunFolderError(f"{folder.record} belongs to another cell: it names {record.cell_id}")
        except NewerSchemaError:
            raise
        except RunFolderError as error:
            warn(f"left out: {error}")
            unread.append(cell_id)
            continue
        if record is not None:
            found.append((record, folder))
    cells = evidence.collect(found)
    return Run(study, content["command"], content["written_at"], tuple(cell_ids), cells, tuple(unread))
