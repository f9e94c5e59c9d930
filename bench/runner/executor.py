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
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any, Protocol

from bench.clocks import monotonic_seconds
from bench.errors import RequestError
from bench.host_memory import limit_data
from bench.notices import kept_in
from bench.runner.guard import Guard, end_group
from bench.runner.preload import MODULES, VARIABLE, Order, Progress
from bench.runner.socket_folder import settle, temporary_folder

#: The one module that the fork server is told to import; what follows is in ``Order``.
SERVER = "bench.runner.server"


class Job(Protocol):
    """Work under way."""

    def wait(self, seconds: float) -> bool:
        """Sleep until the job has ended, ``seconds`` at most; True if it has ended."""

    def kill(self) -> None:
        """End it now."""

    @property
    def exit_code(self) -> int | None:
        """0 for a clean end, a positive code, minus the signal that ended it, or None while it runs."""


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

        Raises:
            RequestError: the fork server could not import what workers start with.
        """
        arguments = (entry, str(folder), monotonic_seconds(), memory_bytes)
        process = self._context.Process(target=enter, args=arguments, daemon=True)
        started = self._start_server()
        try:
            process.start()
        except (EOFError, ConnectionError):
            raise RequestError(_why_it_ended(Progress.read(self._progress))) from None
        if started and not Progress.read(self._progress).done:  # the library passes over an ImportError
            process.kill()
            raise RequestError(f"the fork server could not import {SERVER}; install tunebench again")
        return LocalJob(process, self._guard)

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


def _why_it_ended(progress: Progress) -> str:
    """Why there is no fork server any more, as far as it has told; what is left of it is cleared away."""
    how = _last_words()
    _server()._stop()
    again = "run the same command again"
    if progress.failed is not None:
        said = f"{progress.module}, which every worker starts with, does not import: {progress.failed}"
        return f"{said}; repair its installation and {again}"
    if progress.done:
        return f"the fork server ended {how}, when it was to start a worker; {again}"
    amid = "before it imported anything" if progress.module is None else f"while it imported {progress.module}"
    return f"the fork server ended {how}, {amid}; {again}, and where it ends so again, install that module anew"


def _last_words() -> str:
    """How the fork server ended. It has closed its side, so that it is at its end, and killing it changes nothing."""
    server_id = _server()._forkserver_pid
    os.kill(server_id, signal.SIGKILL)
    if sys.platform != "linux":
        return "unexpectedly"
    ended = os.waitid(os.P_PID, server_id, os.WEXITED | os.WNOWAIT)
    if ended is None or ended.si_code == os.CLD_EXITED:
        return "unexpectedly" if ended is None else f"with exit code {ended.si_status}"
    return f"by signal {ended.si_status} ({signal.Signals(ended.si_status).name})"


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

    def __init__(self, process: multiprocessing.process.BaseProcess, guard: Guard) -> None:
        """Take over a started process."""
        self._process = process
        self._guard = guard
        self._swept = False
        assert process.pid is not None, "a started process has a number"
        self._id = process.pid
        guard.watch(self._id)

    def wait(self, seconds: float) -> bool:
        """Sleep until the process has ended, ``seconds`` at most; True if it has ended, and all that it started."""
        ended = bool(wait([self._process.sentinel], timeout=seconds))
        if ended:
            self._sweep()
        return ended

    def kill(self) -> None:
        """SIGKILL to it and to all that it started, then wait for the end."""
        self._process.kill()
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
        """The process's exit code; minus the signal that ended it."""
        self._process.join(timeout=0 if self._process.is_alive() else None)
        return self._process.exitcode


class InlineExecutor:
    """Runs each job in this process, at once: for a debugger and for tests."""

    def start(self, entry: str, folder: Path, memory_bytes: int | None = None) -> "InlineJob":
        """Do the whole job; this process is not the job's to limit."""
        del memory_bytes
        call(entry, folder, monotonic_seconds())
        return InlineJob()

    def close(self) -> None:
        """Nothing is held."""


class InlineJob:
    """A job that has ended."""

    exit_code = 0

    def wait(self, seconds: float) -> bool:
        """It has ended."""
        del seconds
        return True

    def kill(self) -> None:
        """It has ended."""


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
    if memory_bytes is not None:
        limit_data(memory_bytes)
    call(entry, Path(folder), requested_at)
    sys.stdout.flush()
    sys.stderr.flush()


def _end_with_parent() -> None:
    """A worker whose runner is gone before the guard knew the worker has nobody to report to."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
