"""One cell measured: a folder, a worker, and the record that it comes to whatever happens."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from bench.cell import Cell
from bench.clocks import date_now, monotonic_seconds
from bench.errors import RunFolderError
from bench.host_memory import oom_kills
from bench.marks import Watch, with_check
from bench.notices import DOING, doing_of, notices_of
from bench.record import Record
from bench.redaction import redacted
from bench.retry import as_of_study
from bench.runner.executor import Job
from bench.runner.failures import Ending, record_of
from bench.runner.recovery import Reserve, begin_attempt, end_attempt, is_full, remove_asides
from bench.runner.watcher import Watcher
from bench.store import CellFolder, RunFolder, read_progress, valid_record, write_json, write_text

POLL_SECONDS = 0.5
#: It takes a second to look through so much.
LONGEST_LOG_BYTES = 4 * 1024**2

Start = Callable[[str, Path, int | None], Job]
"""Begins a job: its entry, its folder, and the bytes of memory that it may have."""


class Attempts:
    """Measures the cells of a run folder."""

    def __init__(self, folder: RunFolder, reserve: Reserve, start: Start, watcher: Watcher) -> None:
        """Name what an attempt needs; nothing is done."""
        self._folder = folder
        self._reserve = reserve
        self._start = start
        self._watcher = watcher
        self._told: set[str] = set()

    def measure(self, cell: Cell, as_run: Cell) -> Record:
        """Run a cell's worker to its end.

        Args:
            cell: the study's, which names the folder.
            as_run: what is measured: the cell, or the same with smaller batches.

        Raises:
            RunFolderError: the folder cannot be written at all, e.g. on a full disk.
        """
        paths = begin_attempt(self._folder, cell.id)
        write_json(paths.cell, as_run.model_dump(mode="json"))
        write_text(paths.replay, _replay_command(paths))
        watch = Watch.start()
        ending = self._work(as_run, paths)
        self._tell(notices_of(paths.path))
        for log in (paths.stdout, paths.stderr):
            redact(log)
        found = valid_record(paths.record)
        record = as_of_study(found or record_of(as_run, paths, ending), cell)
        record = with_check(record, watch.check(record, paths.marks))
        if found is None:
            # Of no use, and perhaps what has filled the disk.
            shutil.rmtree(paths.artifact, ignore_errors=True)
            remove_asides(paths.path)
        if record != found:
            self.keep(record)
        paths.progress.unlink(missing_ok=True)
        (paths.path / DOING).unlink(missing_ok=True)
        end_attempt(self._folder, cell.id)
        return record

    def keep(self, record: Record) -> None:
        """Write a record into its cell's folder, be it into the space that is held for that.

        Raises:
            RunFolderError: there is not even that.
        """
        self._reserve.write(self._folder.cell(record.cell_id).record, record.model_dump_json(indent=1) + "\n")

    def _tell(self, lines: Iterable[str]) -> None:
        """Pass on what a worker told, each line once a run: every cell of it may meet the same cache."""
        for line in lines:
            if line not in self._told:
                self._told.add(line)
                self._watcher.warned(line)

    def _work(self, cell: Cell, paths: CellFolder) -> Ending:
        """Start a worker and sleep until it has ended; one that runs past its limit is killed."""
        started, started_at, kills = monotonic_seconds(), date_now(), oom_kills()
        deadline = started + cell.limits.cell_timeout_seconds
        phase, timed_out = "start", False
        job = self._start("bench.worker.entry:run", paths.path, cell.limits.cell_memory_bytes)
        try:
            while not timed_out and not job.wait(min(POLL_SECONDS, max(0.0, deadline - monotonic_seconds()))):
                if where := read_progress(paths):
                    phase = where[0]
                    self._watcher.cell_progress(cell, *where)
                timed_out = monotonic_seconds() >= deadline
        finally:
            if job.exit_code is None:
                job.kill()
        killed_since = oom_kills()
        where = read_progress(paths)
        return Ending(
            exit_code=job.exit_code,
            timed_out=timed_out,
            oom_killed=kills is not None and killed_since is not None and killed_since > kills,
            disk_full=is_full(paths.path),
            phase=where[0] if where else phase,
            doing=None if (doing := doing_of(paths.path)) is None else doing.what,
            started=started,
            started_at=started_at,
        )


def redact(log: Path) -> None:
    """Take credentials out of a log, which a plugin or a library may have written there; a very long one stays."""
    with suppress(RunFolderError, OSError):  # on a full disk; it is the record that counts
        if log.is_symlink() or not log.is_file() or log.stat().st_size > LONGEST_LOG_BYTES:
            return
        said = log.read_bytes().decode("utf-8", "replace")
        if (shown := redacted(said)) != said:
            write_text(log, shown)


def _replay_command(paths: CellFolder) -> str:
    python = shlex.quote(str(Path(sys.executable).absolute()))
    return (
        "#!/bin/sh\n# Measures this cell alone, again; the result goes to the folder replay beside this file.\n"
        f'exec {python} -m bench.worker "$(dirname "$0")/{paths.cell.name}"\n'
    )
