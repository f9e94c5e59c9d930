"""The parent: decides what to run, hands cells to an executor, and sleeps. It never imports torch."""

import json
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from bench import registry
from bench.cell import Cell
from bench.errors import NewerSchemaError, PluginError, RequestError, RunFolderError, StudyError
from bench.executor import Executor, Job
from bench.expand import EVERY_METHOD, check_sources, expand, filtered, needed_plugins
from bench.record import SCHEMA_VERSION, Failure, Record, Status
from bench.store import CellFolder, RunFolder, read_record, write_json, write_text
from bench.study import Study

PREFLIGHT_SECONDS = 3600.0  # a first download of large weights happens here
POLL_SECONDS = 0.5


class Watcher(Protocol):
    """Is told how a run goes; the terminal's progress display is one."""

    def started(self, pending: Sequence[Cell], finished: int) -> None:
        """The run begins: these cells are to be measured, so many are there already."""

    def checking(self, what: str) -> None:
        """Something is checked before any work."""

    def warned(self, message: str) -> None:
        """Something the user should know."""

    def cell_started(self, cell: Cell) -> None:
        """A worker takes this cell."""

    def cell_progress(self, cell: Cell, phase: str, done: int, of: int) -> None:
        """Where the worker is."""

    def cell_ended(self, cell: Cell, record: Record) -> None:
        """The cell has its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for.

    Attributes:
        study: the study.
        base: folder that relative paths of the study start from.
        folder: the run folder.
        data_root: see ``resolve_dataset``.
        plugin_files: files named with ``--plugin``.
        only: allowed values by key, see ``parse_only``; cells that do not match are left for another time.
        scale: in place of that of every model.
    """

    study: Study
    base: Path
    folder: Path
    data_root: Path | None = None
    plugin_files: Sequence[Path] = ()
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    scale: Literal["tiny"] | None = None


def run(request: Request, make_executor: Callable[[], Executor], watcher: Watcher) -> list[Record]:
    """Measure every cell of a study that has no finished record yet.

    Args:
        request: what to run.
        make_executor: called once, and only where there is something to run.
        watcher: told how it goes.

    Returns:
        The records of the study's cells that exist now, in the study's order.

    Raises:
        RequestError: the request is wrong; nothing was run.
        KeyboardInterrupt: interrupted; finished cells are kept and the next run goes on.
    """
    found = registry.find(request.plugin_files)
    needed = needed_plugins(request.study, found)
    check_sources(request.study, request.data_root, request.base)
    run_folder = RunFolder(request.folder)
    with run_folder.locked():
        return _Run(request, run_folder, found, needed, make_executor, watcher).go()


class _Run:
    def __init__(
        self,
        request: Request,
        folder: RunFolder,
        found: dict[str, registry.Plugin],
        needed: dict[str, registry.Plugin],
        make_executor: Callable[[], Executor],
        watcher: Watcher,
    ) -> None:
        self.request = request
        self.folder = folder
        self.found = found
        self.needed = needed
        self.watcher = watcher
        self._make_executor = make_executor
        self._executor: Executor | None = None
        self._jobs = 0

    def go(self) -> list[Record]:
        earlier = self.folder.read_run() if self.folder.run.exists() else {}
        try:
            descriptions = self._descriptions(earlier.get("methods", {}))
            request = self.request
            cells = expand(
                request.study, self.found, descriptions, request.data_root, request.base, scale=request.scale
            )
            if not cells:
                raise StudyError(f"study {self.request.study.name} has no cells: no method fits its models")
            chosen = filtered(cells, self.request.only)
            done = {cell.id: record for cell in cells if (record := self._finished(cell)) is not None}
            pending = [cell for cell in chosen if cell.id not in done]
            if pending:
                pending = self._preflight(pending)
            command = shlex.join(["tunebench", *sys.argv[1:]]) if pending else earlier.get("command", "")
            self._write_run(cells, descriptions, command)
            self.watcher.started(pending, len(chosen) - len(pending))
            for cell in pending:
                self._measure(cell)
        finally:
            if self._executor is not None:
                self._executor.close()
            shutil.rmtree(self.folder.jobs, ignore_errors=True)
        return [record for cell in cells if (record := _record_or_none(self.folder.cell(cell.id))) is not None]

    def _descriptions(self, known: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """What each needed plugin says of itself; plugins are only imported where their file is new or changed."""
        fresh = {
            name: dict(known[name]["says"])
            for name, plugin in self.needed.items()
            if name in known and known[name]["sha256"] == plugin.sha256 and "error" not in known[name]["says"]
        }
        unknown = [plugin for name, plugin in self.needed.items() if name not in fresh]
        if unknown:
            self.watcher.checking("methods")
            request = [asdict(plugin) | {"path": str(plugin.path)} for plugin in unknown]
            fresh |= self._ask("bench.preflight:describe_methods", request)
        named = {name for grid in self.request.study.grid for name in grid.methods} - {EVERY_METHOD}
        for name, says in fresh.items():
            if "error" in says and name not in named:
                if self.needed[name].origin == "--plugin":
                    raise PluginError(says["error"])
                self.watcher.warned(f"skipped: {says['error']}")
        return fresh

    def _finished(self, cell: Cell) -> Record | None:
        """The cell's record if it needs no other run: measured, or known to be impossible."""
        try:
            record = read_record(self.folder.cell(cell.id).record)
        except NewerSchemaError:
            raise
        except RunFolderError as error:
            self.watcher.warned(f"measured again: {error}")
            return None
        return record if record is not None and record.status in ("ok", "unsupported") else None

    def _preflight(self, pending: list[Cell]) -> list[Cell]:
        """Everything that can be wrong before any work; the cells with all options filled in.

        Raises:
            RequestError: with every problem that was found, one a line.
        """
        self.watcher.checking("options, data and weights")
        rows = {cell.id: cell.method.model_dump() | {"options": cell.method.given} for cell in pending}
        unique = {json.dumps([row["name"], row["options"]], sort_keys=True): row for row in rows.values()}
        answers = self._ask("bench.preflight:fill_options", unique)
        problems = list(dict.fromkeys(answer["error"] for answer in answers.values() if "error" in answer))
        if problems:
            raise RequestError("\n".join(f"study {self.request.study.name}: {problem}" for problem in problems))
        filled = [_with_options(cell, answers) for cell in pending]
        problems = self._ask("bench.preflight:check_cells", [cell.model_dump(mode="json") for cell in filled])
        if problems:
            raise RequestError("\n".join(problems))
        return filled

    def _ask(self, entry: str, request: Any) -> Any:
        """Have a worker answer a request through files."""
        self._jobs += 1
        folder = self.folder.jobs / str(self._jobs)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "request.json", request)
        job = self._start(entry, folder)
        if not job.wait(PREFLIGHT_SECONDS):
            job.kill()
            raise RequestError(f"{entry} did not answer within {PREFLIGHT_SECONDS:.0f} s")
        try:
            return json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            log = folder / "stderr.txt"
            said = log.read_text(encoding="utf-8", errors="replace").strip() if log.exists() else ""
            raise RequestError(f"{entry} ended with code {job.exit_code} and no answer:\n{said[-2000:]}") from None

    def _start(self, entry: str, folder: Path) -> Job:
        if self._executor is None:
            self._executor = self._make_executor()
        return self._executor.start(entry, folder)

    def _write_run(self, cells: Sequence[Cell], descriptions: Mapping[str, Any], command: str) -> None:
        content = {
            "schema_version": SCHEMA_VERSION,
            "study": self.request.study.model_dump(mode="json"),
            "command": command,
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "cell_ids": [cell.id for cell in cells],
            "methods": {
                name: {"sha256": self.needed[name].sha256, "says": dict(says)} for name, says in descriptions.items()
            },
        }
        write_json(self.folder.run, content)

    def _measure(self, cell: Cell) -> None:
        paths = self.folder.cell(cell.id)
        # What an earlier attempt left must not be taken for this one's; the folder holds nothing but such files.
        shutil.rmtree(paths.path, ignore_errors=True)
        paths.path.mkdir(parents=True)
        write_json(paths.cell, cell.model_dump(mode="json"))
        write_text(paths.replay, _replay_command(paths))
        self.watcher.cell_started(cell)
        started = time.time()
        job = self._start("bench.worker:run", paths.path)
        try:
            timed_out = not self._watch(job, cell, paths)
        except BaseException:
            job.kill()
            raise
        record = _record_or_none(paths)
        if record is None:
            record = self._failed(cell, paths, started, job, timed_out)
            write_text(paths.record, record.model_dump_json(indent=1) + "\n")
        paths.progress.unlink(missing_ok=True)
        self.watcher.cell_ended(cell, record)

    def _watch(self, job: Job, cell: Cell, paths: CellFolder) -> bool:
        """Sleep until the job ends; False if it ran past its limit and was killed."""
        deadline = time.monotonic() + cell.limits.cell_timeout_seconds
        while not job.wait(min(POLL_SECONDS, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                job.kill()
                return False
            phase, done, of = _progress(paths)
            self.watcher.cell_progress(cell, phase, done, of)
        return True

    def _failed(self, cell: Cell, paths: CellFolder, started: float, job: Job, timed_out: bool) -> Record:
        """The record of a worker that could not write its own."""
        code = job.exit_code
        status: Status
        if timed_out:
            status, kind = "timeout", "TimeLimit"
            message = f"ran past limits.cell_timeout_seconds = {cell.limits.cell_timeout_seconds:g}"
        elif code is not None and code < 0:
            status, kind = "killed", f"signal {-code}"
            message = "the worker was killed" + ("; out of host memory is the usual reason" if code == -9 else "")
        else:
            status, kind = "error", f"exit code {code}"
            message = "the worker ended without a record"
        tail = (
            paths.stderr.read_text(encoding="utf-8", errors="replace").strip()[-1000:] if paths.stderr.exists() else ""
        )
        return Record(
            cell_id=cell.id,
            cell=cell,
            status=status,
            failure=Failure(phase=_progress(paths)[0], type=kind, message=f"{message}\n{tail}".strip()),
            started_at=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
            wall_seconds=time.time() - started,
        )


def _with_options(cell: Cell, answers: Mapping[str, Mapping[str, Any]]) -> Cell:
    options = answers[json.dumps([cell.method.name, cell.method.given], sort_keys=True)]["options"]
    return cell.model_copy(update={"method": cell.method.model_copy(update={"options": options})})


def _progress(paths: CellFolder) -> tuple[str, int, int]:
    try:
        content = json.loads(paths.progress.read_text(encoding="utf-8"))
        return str(content["phase"]), int(content["done"]), int(content["of"])
    except (OSError, ValueError, KeyError):
        return "start", 0, 0


def _record_or_none(paths: CellFolder) -> Record | None:
    try:
        return read_record(paths.record)
    except RunFolderError:
        return None


def _replay_command(paths: CellFolder) -> str:
    python = shlex.quote(str(Path(sys.executable).absolute()))
    return (
        "#!/bin/sh\n# Measures this cell alone, again; the result goes to the folder replay beside this file.\n"
        f'exec {python} -m bench.worker "$(dirname "$0")/{paths.cell.name}"\n'
    )
