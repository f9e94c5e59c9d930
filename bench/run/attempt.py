"""Measure one cell: prepare its folder, run a worker, and write a record in any case."""

import shlex
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bench.clocks import date_now, monotonic_seconds
from bench.errors import RunFolderError
from bench.measure.host_limits import oom_kills
from bench.method.importing import PREFIX
from bench.record.files import write_json, write_text
from bench.record.notices import DOING, doing_of, notices_of
from bench.record.record import Record
from bench.record.run_folder import CellFolder, RunFolder, read_progress, valid_record
from bench.run import recovery
from bench.run.executor import Job
from bench.run.failures import Ending, record_of
from bench.run.finished import Finished
from bench.run.marks import Watch, with_check
from bench.run.oom import as_of_study
from bench.run.watcher import Watcher
from bench.study.cell import Cell
from bench.text.redaction import redacted

POLL_SECONDS = 0.5
#: Maximum size of a log; longer ones lose their beginning. Redaction of that much takes a second or two.
LONGEST_LOG_BYTES = 4 * 1024**2
#: Permissions of a cell's folder, which a plugin may have removed.
FOLDER_MODE = 0o755

Start = Callable[[str, Path, int | None], Job]
"""Starts a job, given its entry point, its folder and its limit of memory in bytes."""


class Attempts:
    """Measures the cells of a run folder."""

    def __init__(self, folder: RunFolder, finished: Finished, start: Start, watcher: Watcher) -> None:
        """Store the collaborators."""
        self._folder, self._finished, self._start, self._watcher = folder, finished, start, watcher
        self._told: set[str] = set()

    def measure(self, cell: Cell, as_run: Cell) -> Record:
        """Run a cell's worker until it ends.

        Args:
            cell: cell of the study, which names the folder.
            as_run: cell to be measured: the same one, or with smaller batches.

        Raises:
            RunFolderError: the folder cannot be written, e.g. on a full disk.
        """
        paths = recovery.begin_attempt(self._folder, cell.id)
        write_json(paths.cell, as_run.model_dump(mode="json"))
        write_text(paths.replay, _replay_command(paths))
        place, watch = recovery.identity(paths.path), Watch.start()
        ending = self._work(as_run, paths)
        recovery.require_there(self._folder)
        if recovery.identity(paths.path) != place:
            ending = replace(ending, folder_lost=True)
            recovery.make_way(paths)
        self._tell(notices_of(paths.path))
        for log in (paths.stdout, paths.stderr):
            redact(log)
        found = _measured(as_run, paths, ending)
        record = as_of_study(found or record_of(as_run, paths, ending), cell)
        record = with_check(record, watch.check(record, paths.marks))
        _clear(paths, keep_artifact=found is not None)
        self.keep(record)
        recovery.end_attempt(self._folder, cell.id)
        return record

    def keep(self, record: Record) -> None:
        """Write a record into its cell's folder, using the reserved disk space if necessary.

        Raises:
            RunFolderError: the reserved space is not enough.
        """
        self._finished.keep(record.cell_id, record.model_dump_json(indent=1) + "\n")

    def _tell(self, lines: Iterable[str]) -> None:
        """Pass on a worker's notices, each line once per run, because many cells may give the same one."""
        for line in lines:
            if line not in self._told:
                self._told.add(line)
                self._watcher.warned(line)

    def _work(self, cell: Cell, paths: CellFolder) -> Ending:
        """Start a worker and wait until it has ended; kill it at its time limit."""
        started, started_at, kills = monotonic_seconds(), date_now(), oom_kills()
        phase, timed_out = "start", False
        job = self._start("bench.run.worker.entry:run", paths.path, cell.limits.cell_memory_bytes)
        deadline = monotonic_seconds() + cell.limits.cell_timeout_seconds  # excludes the start of a new fork server
        try:
            while not timed_out and not job.wait(min(POLL_SECONDS, max(0.0, deadline - monotonic_seconds()))):
                if where := read_progress(paths):
                    phase = where[0]
                    self._watcher.cell_progress(cell, *where)
                timed_out = monotonic_seconds() >= deadline
        finally:
            if job.exit_code is None:
                job.kill()
        code = job.exit_code
        killed_since = oom_kills()
        where = read_progress(paths)
        return Ending(
            exit_code=code, timed_out=timed_out,
            oom_killed=kills is not None and killed_since is not None and killed_since > kills,
            disk_full=recovery.is_full(self._folder.path), phase=where[0] if where else phase,
            doing=None if (doing := doing_of(paths.path)) is None else doing.what, started=started,
            started_at=started_at, answered=paths.measured.exists(),
        )  # fmt: skip


def redact(log: Path) -> None:
    """Redact credentials in a log; keep only the end of a long one."""
    with suppress(RunFolderError, OSError):  # on a full disk the record is more important
        if log.is_symlink() or not log.is_file():
            return
        with log.open("rb") as handle:
            left_out = max(0, log.stat().st_size - LONGEST_LOG_BYTES)
            handle.seek(left_out)
            kept = handle.read(LONGEST_LOG_BYTES)
        first = ""
        if left_out:  # a cut first line may hold part of a credential
            begin = kept.find(b"\n") + 1
            kept, left_out = kept[begin:], left_out + begin
            first = f"[the first {left_out} bytes of this log were left out]\n"
        said = kept.decode("utf-8", "replace")
        if (shown := first + redacted(said)) != said:
            write_text(log, shown)


def _measured(as_run: Cell, paths: CellFolder, ending: Ending) -> Record | None:
    """The worker's record, if it is for this cell and the worker ended normally."""
    if ending.exit_code != 0 or ending.timed_out or ending.folder_lost:
        return None
    record = valid_record(paths.measured)
    if record is None or record.cell_id != as_run.id:
        return None
    return record if record.cell.model_dump(mode="json") == as_run.model_dump(mode="json") else None


def _clear(paths: CellFolder, keep_artifact: bool) -> None:
    """Remove temporary files, and for a failed cell the artifact, which may have filled the disk."""
    with suppress(OSError):
        paths.path.chmod(FOLDER_MODE)
    artifact = () if keep_artifact else (paths.artifact,)
    announced = paths.path.glob(f"{PREFIX}*")
    for path in (paths.measured, paths.progress, paths.path / DOING, *announced, paths.record, *artifact):
        with suppress(OSError):
            recovery.remove(path)
    if not keep_artifact:
        with suppress(OSError):
            recovery.remove_asides(paths.path)


def _replay_command(paths: CellFolder) -> str:
    python = shlex.quote(str(Path(sys.executable).absolute()))
    return (
        "#!/bin/sh\n# Measures only this cell again; the result goes to the folder replay beside this file.\n"
        f'exec {python} -m bench.run.worker "$(dirname "$0")/{paths.cell.name}"\n'
    )
