"""One side of a comparison: the content of a run folder or a published report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.errors import RunFolderError
from bench.record.digests import known_digests, read_kept
from bench.record.record import Record
from bench.record.run_folder import RunFolder, study_of
from bench.report.results import archive, portable
from bench.report.results.evidence import predictions_of
from bench.report.results.measured import Evidence, Measured
from bench.study.study import Study
from bench.text.display import one_line

LONGEST_MESSAGE = 400


@dataclass(frozen=True, slots=True)
class Side:
    """One of two sides.

    Attributes:
        path: path as the user gave it.
        kind: whether the path is a run folder or a report.
        study: every setting of the study, including defaults.
        cells: measured cells in the study's order, including failed ones.
        not_run: ids of the study's cells without a record.
    """

    path: Path
    kind: Literal["run folder", "report"]
    study: dict[str, Any]
    cells: tuple[Measured, ...]
    not_run: tuple[str, ...]

    @property
    def records(self) -> list[Record]:
        """The records of the cells."""
        return [record for record, _ in self.cells]


def load(path: Path) -> Side:
    """Read a run folder or a published report. Paths inside a report are never opened.

    Raises:
        RunFolderError: the path is neither, a file is damaged or has a newer schema, or there is no record.
    """
    try:
        side = _load(path)
    except RunFolderError as error:  # the message quotes the damaged file, which may have many lines
        raise type(error)(one_line(str(error), LONGEST_MESSAGE)) from None
    if not side.cells:
        raise RunFolderError(f"{path}: no cell has been measured yet; run the study first")
    return side


def _load(path: Path) -> Side:
    run = RunFolder(path)
    if run.run.exists():
        content, cell_ids = run.read_run(), list(dict.fromkeys(run.cell_ids()))
        folders = {cell_id: run.cell(cell_id) for cell_id in cell_ids}
        digests = known_digests(content, run.run)
        read = {cell_id: read_kept(folder, digests) for cell_id, folder in folders.items()}
        measured = tuple(
            Measured(portable.without_credentials(record), Evidence(predictions_of(record, folders[cell_id])))
            for cell_id, record in read.items()
            if record is not None
        )
        not_run = tuple(cell_id for cell_id, record in read.items() if record is None)
        return Side(path, "run folder", _in_full(study_of(content, run.run)), measured, not_run)
    if (path / archive.RECORDS).exists():
        runs = archive.read(path).runs
        if len(runs) > 1:
            raise RunFolderError(f"{path} is a report of {len(runs)} runs; compare the runs themselves")
        known = {record.cell_id for record in runs[0].records}
        not_run = tuple(cell_id for cell_id in runs[0].cell_ids if cell_id not in known)
        return Side(path, "report", _in_full(runs[0].study), runs[0].cells, not_run)
    raise RunFolderError(
        f"{path} is neither a run folder nor a published report: it has no {run.run.name} and no {archive.RECORDS}"
    )


def _in_full(study: Mapping[str, Any]) -> dict[str, Any]:
    """A study with the defaults of settings added since it was run, so that they do not count as changes."""
    return Study.model_validate(study).model_dump(mode="json")
