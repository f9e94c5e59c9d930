"""Where work runs: one process a job, behind a small interface that a cluster could stand behind too."""

import importlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any, Protocol

from bench.clocks import monotonic_seconds
from bench.errors import RequestError
from bench.measure.host_limits import limit_data
from bench.method.importing import announce_in
from bench.record.notices import kept_in
from bench.run.guard import Guard, end_group
from bench.run.preload import MODULES, VARIABLE, Order, Progress
from bench.run.server_watch import FORK_SECONDS, PRELOAD_SECONDS, Patience, answering, end_server, has_ended, last_words
from bench.run.socket_folder import settle, temporary_folder

#: The one module that the fork server is told to import; what follows is in ``Order``.
SERVER = "bench.run.preload"
#: That a killed worker has to be told of by its server.
ENDING_SECONDS = 10.0
#: The library's code for a worker whose server ended first; a worker may exit with it too.
UNTOLD_CODE = 255


class Job(Protocol):
    """Work under way."""

    def wait(self, seconds: float) -> bool:
        """Sleep until the job has ended, ``seconds`` at most; True if it has ended."""

    def kill(self) -> None:
        """End it now."""

    @property
    def exit_code(self) -> int | None:
        """0 for a clean end, a positive code, minus the signal that ended it; None while it runs or if none knows."""


class Executor(Protocol):
    """Runs ``module:function(folder, requested_at)`` somewhere; request and answer are files in the folder.

    ``requested_at`` is a reading of ``bench.clocks.monotonic_seconds``, which all processes of a machine share.
    """

    def start(self, entry: str, folder: Path, memory_bytes: int | None = None) -> Job:
        """Begin a job, which may allocate so much on its host where a limit is given."""

    def close(self) -> None:
        """Give back what is held."""


class LocalExecutor:
    """Processes on this machine, forked from a server that has imported torch once."""

    def __init__(self, modules: Sequence[str] = MODULES) -> None:
        """Set the server up; it starts with the first job.

        Args:
            modules: imported there once; every worker starts with them in place.

        Raises:
            RequestError: there is no place for its files or sockets.
        """
        # With NVML asked in place of the driver, no import initialises CUDA before the fork and breaks it after.
        os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([SERVER])
        self._folder = temporary_folder("tunebench-server-")
        settle()
        self._progress = Path(self._folder.name) / "progress.json"
        self._order = Order(modules=list(modules), progress=str(self._progress))
        self._guard = Guard()
        self._server_id: int | None = None

    def start(self, entry: str, folder: Path, memory_bytes: int | None = None) -> "LocalJob":
        """Fork a worker; its output goes to stdout.txt and stderr.txt in the folder.

        A fork server that served before and has ended since, or does not answer any more, is replaced.

        Raises:
            RequestError: the fork server could not import what workers start with.
        """
        arguments = (entry, str(folder), monotonic_seconds(), memory_bytes)
        started = self._start_server()
        process = self._fork(arguments, started)
        if process is None:
            started = self._start_server()
            process = self._fork(arguments, new_server=True)
        assert process is not None, "a new server forks, or the reason is raised"
        if started and not Progress.read(self._progress).done:  # the library passes over an ImportError
            process.kill()
            raise RequestError(f"the fork server could not import {SERVER}; install tunebench again")
        return LocalJob(process, self._guard, _server()._forkserver_pid)

    def _fork(self, arguments: tuple[Any, ...], new_server: bool) -> BaseProcess | None:
        """A worker under way; None where a server that is not new has ended or does not answer, and was cleared away.

        Raises:
            RequestError: a new server has ended or does not answer.
        """
        process = self._context.Process(target=enter, args=arguments, daemon=True)
        try:
            with answering(_server()._forkserver_pid, PRELOAD_SECONDS if new_server else FORK_SECONDS) as silent:
                process.start()
        except (EOFError, ConnectionError):
            why = _why_it_ended(Progress.read(self._progress), silent)
            if new_server:
                raise RequestError(why) from None
            return None
        return process

    def _start_server(self) -> bool:
        """Start the server where it does not run; True if it was started."""
        before = _server()._forkserver_pid
        os.environ[VARIABLE] = json.dumps(asdict(self._order))
        try:
            _start_server()
        except OSError as error:
            raise RequestError(
                f"the fork server cannot be started: {error.strerror or error}; its socket lies in {get_temp_dir()}, "
                "see TMPDIR"
            ) from None
        finally:
            del os.environ[VARIABLE]
        server_id = _server()._forkserver_pid
        if server_id != self._server_id:  # the first, or one in place of one that was killed
            if self._server_id is not None:
                self._guard.forget(self._server_id)
            self._server_id = server_id
            self._guard.watch(server_id)
        return bool(server_id != before)

    def close(self) -> None:
        """End the fork server, even amid its imports; the library offers no public way."""
        if _server()._forkserver_pid is not None:
            os.kill(_server()._forkserver_pid, signal.SIGKILL)
        _server()._stop()
        self._guard.close()
        self._folder.cleanup()


def _server() -> Any:
    return forkserver._forkserver


def _why_it_ended(progress: Progress, silent: Sequence[str]) -> str:
    """Why there is no fork server any more, as far as it has told; what is left of it is cleared away.

    Args:
        progress: of its imports.
        silent: why it was killed here; empty where it was not.
    """
    how = silent[0] if silent else f"ended {last_words(_server()._forkserver_pid)}"
    _server()._stop()
    again = "run the same command again"
    if progress.failed is not None:
        said = f"{progress.module}, which every worker starts with, does not import: {progress.failed}"
        return f"{said}; repair its installation and {again}"
    if progress.done:
        return f"the fork server {how}, when it was to start a worker; {again}"
    amid = "before it imported anything" if progress.module is None else f"while it imported {progress.module}"
    return f"the fork server {how}, {amid}; {again}, and where it ends so again, install that module anew"


def _start_server() -> None:
    """Start the fork server, if it does not run, deaf to Ctrl-C, which reaches the whole process group."""
    if threading.current_thread() is not threading.main_thread():  # signals are set in the main thread only
        forkserver.ensure_running()
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a new process inherits it
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, previous)


class LocalJob:
    """A process of this machine."""

    def __init__(self, process: BaseProcess, guard: Guard, server_id: int) -> None:
        """Take over a started process.

        Args:
            process: that was started.
            guard: of this executor.
            server_id: of the fork server that started it, and tells how it ends.
        """
        self._process = process
        self._guard = guard
        self._swept = False
        assert process.pid is not None, "a started process has a number"
        self._id = process.pid
        self._server_id = server_id
        self._unheard = Patience(self._id, "zombie")
        guard.watch(self._id)

    def wait(self, seconds: float) -> bool:
        """Sleep until the process has ended, ``seconds`` at most; True if it has ended, and all that it started."""
        ended = bool(wait([self._process.sentinel], timeout=seconds))
        if not ended and self._unheard.over:  # the server, which is to tell, is stopped
            end_server(self._server_id)
            ended = True
        if ended:
            self._sweep()
        return ended

    def kill(self) -> None:
        """SIGKILL to it and to all that it started, then wait for the end."""
        self._process.kill()
        if not wait([self._process.sentinel], timeout=ENDING_SECONDS):
            end_server(self._server_id)
        self._process.join()
        self._sweep()

    def _sweep(self) -> None:
        """End what a plugin left running: a worker leads a group of its own, which its children are born into."""
        if not self._swept:
            self._swept = True
            end_group(self._id)
            self._guard.forget(self._id)

    @property
    def exit_code(self) -> int | None:
        """The process's exit code; minus the signal that ended it; None too where the server ended before it told."""
        self._process.join(timeout=0 if self._process.is_alive() else None)
        code = self._process.exitcode
        return None if code == UNTOLD_CODE and has_ended(self._server_id) else code


def call(entry: str, folder: Path, requested_at: float) -> None:
    """Call ``module:function`` with the folder, in which what it tells its parent is kept."""
    module, _, function = entry.partition(":")
    with kept_in(folder):
        getattr(importlib.import_module(module), function)(folder, requested_at)


def enter(entry: str, folder: str, requested_at: float, memory_bytes: int | None = None) -> None:
    """First lines of a worker process: a group of its own, output to files, no orphan, its limit, then the job."""
    os.setsid()  # what the job starts is found by its group, and Ctrl-C does not reach it: the runner decides what ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name, descriptor in (("stdout.txt", 1), ("stderr.txt", 2)):
        target = os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(target, descriptor)
        os.close(target)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    announce_in(Path(folder))
    if memory_bytes is not None:
        limit_data(memory_bytes)
    call(entry, Path(folder), requested_at)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # neither a thread nor an exit handler that a plugin left is waited for


def _end_with_parent() -> None:
    """A worker whose runner is gone before the guard knew the worker has nobody to report to."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
