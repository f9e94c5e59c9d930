"""Event files for TensorBoard, written by its own package: one run per cell."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from bench.errors import RunFolderError
from bench.record.files import write_bytes
from bench.record.run_folder import CELL_ID
from bench.report.export.logged import LoggedCell, cells
from bench.report.results.run import Results
from bench.study.cell import slug

#: TensorBoard looks for "tfevents". The name is fixed, so that a second export replaces the first.
FILE = "events.out.tfevents.0.tunebench"
RESULT = "result"


def log(results: Results, folder: Path) -> tuple[int, int]:
    """Write ``<folder>/<study>/<cell>/``, or ``<folder>/<study>/<machine>/<cell>/`` for several runs.

    The same results give the same bytes, as times come from the records.

    Returns:
        The number of runs that were written, and of unchanged ones.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    several = len(results.runs) > 1
    written = 0
    logged = cells(results)
    for cell in logged:
        place = folder / cell.study / slug(cell.machine) if several else folder / cell.study
        path, content = place / _folder(cell) / FILE, _content(cell)
        try:
            if path.is_file() and path.read_bytes() == content:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"{path.parent} cannot be written: {error.strerror}") from None
        write_bytes(path, content)
        written += 1
    return written, len(logged) - written


def _folder(cell: LoggedCell) -> str:
    """The folder name of a cell: its record's cell id if valid, as several records may have equal settings."""
    named = cell.record.cell_id
    return named if CELL_ID.fullmatch(named) else cell.record.cell.id


def _content(cell: LoggedCell) -> bytes:
    handle = io.BytesIO()
    writer = RecordWriter(handle)
    for event in _events(cell):
        writer.write(event.SerializeToString(deterministic=True))
    return handle.getvalue()


def _events(cell: LoggedCell) -> Iterator[Any]:
    record, begun = cell.record, cell.started
    ended = begun + record.wall_seconds
    settings = cell.settings | {"status": record.status, "stamp": record.stamp}
    yield Event(wall_time=begun, file_version="brain.Event:2")
    # One trial per cell: TensorBoard averages runs that share a trial.
    yield Event(wall_time=begun, summary=hparams_pb(settings, trial_id=record.cell_id, start_time_secs=begun))
    for name, point, value in cell.curves:
        yield _scalar(name, value, point.step, begun + point.elapsed_seconds)
    last = record.training.steps if record.training else 0
    for name, value in cell.numbers.items():
        yield _scalar(f"{RESULT}/{name}", value, last, ended)
    yield Event(wall_time=ended, summary=_end(record.status == "ok", ended))


def _scalar(tag: str, value: float, step: int, at: float) -> Any:
    return Event(wall_time=at, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))


def _end(ok: bool, at: float) -> Any:
    """The end of a run and its status, for the table of hyper-parameters."""
    status = api_pb2.STATUS_SUCCESS if ok else api_pb2.STATUS_FAILURE
    told = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=at))
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG, metadata=metadata.create_summary_metadata(told), tensor=metadata.NULL_TENSOR
    )
    return Summary(value=[value])
