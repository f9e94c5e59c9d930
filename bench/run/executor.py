"""Run jobs, one process each, behind a small interface that a cluster can implement too."""

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

#: The one module that the fork server imports; ``Order`` names the others.
SERVER = "bench.run.preload"
#: Time for the server to report the end of a killed worker.
ENDING_SECONDS = 10.0
#: The library's exit code for a worker whose server ended first; a worker may also use it itself.
UNTOLD_CODE = 255


class Job(Protocol):
    """A running job."""

    def wait(self, seconds: float) -> bool:
        """Wait until the job has ended, at most ``seconds``; True if it has ended."""

    def kill(self) -> None:
        """End the job now."""

    @property
    def exit_code(self) -> int | None:
        """The exit code, or minus the signal that ended the job; None while it runs or if unknown."""


class Executor(Protocol):
    """Runs ``module:function(folder, requested_at)``; request and answer are files in the folder.

    ``requested_at`` is a reading of ``bench.clocks.monotonic_seconds``, which all processes of a machine share.
    """

    def start(self, entry: str, folder: Path, memory_bytes: int | None = None) -> Job:
        """Start a job, with an optional limit of host memory."""

    def close(self) -> None:
        """Give back what is held."""


class LocalExecutor:
    """Processes on this machine, forked from a server that has imported torch once."""

    def __init__(self, modules: Sequence[str] = MODULES) -> None:
        """Set the server up; it starts with the first job.

        Args:
            modules: modules imported once by the server and inherited by every worker.

        Raises:
            RequestError: there is no usable folder for its files or sockets.
        """
        # CUDA must not be initialised before the fork, so torch uses NVML in place of the driver.
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

        A fork server that has ended or no longer answers is replaced.

        Raises:
            RequestError: the fork server could not import the modules of workers.
        """
        arguments = (entry, str(folder), monotonic_seconds(), memory_bytes)
        started = self._start_server()
        process = self._fork(arguments, started)
        if process is None:
            started = self._start_server()
            process = self._fork(arguments, new_server=True)
        assert process is not None, "a new server forks, or the reason is raised"
        if started and not Progress.read(self._progress).done:  # the library ignores an ImportError
            process.kill()
            raise RequestError(f"the fork server could not import {SERVER}; install tunebench again")
        return LocalJob(process, self._guard, _server()._forkserver_pid)

    def _fork(self, arguments: tuple[Any, ...], new_server: bool) -> BaseProcess | None:
        """A running worker; None if an old server has ended or does not answer, and was removed.

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
        """Start the server unless it runs; True if it was started."""
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
        if server_id != self._server_id:  # a first or a replacement server
            if self._server_id is not None:
                self._guard.forget(self._server_id)
            self._server_id = server_id
            self._guard.watch(server_id)
        return bool(server_id != before)

    def close(self) -> None:
        """End the fork server, even during its imports; the library has no public function for this."""
        if _server()._forkserver_pid is not None:
            os.kill(_server()._forkserver_pid, signal.SIGKILL)
        _server()._stop()
        self._guard.close()
        self._folder.cleanup()


def _server() -> Any:
    return forkserver._forkserver


def _why_it_ended(progress: Progress, silent: Sequence[str]) -> str:
    """Why the fork server has ended; its remains are removed.

    Args:
        progress: progress of its imports.
        silent: why it was killed here; empty if it was not.
    """
    how = silent[0] if silent else f"ended {last_words(_server()._forkserver_pid)}"
    _server()._stop()
    again = "run the same command again"
    if progress.failed is not None:
        said = f"{progress.module}, which every worker needs, does not import: {progress.failed}"
        return f"{said}; repair its installation and {again}"
    if progress.done:
        return f"the fork server {how} when it should start a worker; {again}"
    amid = "before it imported anything" if progress.module is None else f"while it imported {progress.module}"
    return f"the fork server {how} {amid}; {again}, and if it fails again, reinstall that module"


def _start_server() -> None:
    """Start the fork server, unless it runs, ignoring Ctrl-C, which reaches the whole process group."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set signals
        forkserver.ensure_running()
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a new process inherits it
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, previous)


class LocalJob:
    """A job in a process of this machine."""

    def __init__(self, process: BaseProcess, guard: Guard, server_id: int) -> None:
        """Take over a started process.

        Args:
            process: started process.
            guard: guard of this executor.
            server_id: process id of the fork server, which reports how the process ends.
        """
        self._process = process
        self._guard = guard
        self._swept = False
        assert process.pid is not None, "a started process has an id"
        self._id = process.pid
        self._server_id = server_id
        self._zombie = Patience(self._id, "zombie")
        guard.watch(self._id)

    def wait(self, seconds: float) -> bool:
        """Wait until the process and its children have ended, at most ``seconds``; True if they have."""
        ended = bool(wait([self._process.sentinel], timeout=seconds))
        if not ended and self._zombie.over:  # the server, which should report its end, is stopped
            end_server(self._server_id)
            ended = True
        if ended:
            self._sweep()
        return ended

    def kill(self) -> None:
        """Kill the process and its children, and wait until they have ended."""
        self._process.kill()
        if not wait([self._process.sentinel], timeout=ENDING_SECONDS):
            end_server(self._server_id)
        self._process.join()
        self._sweep()

    def _sweep(self) -> None:
        """Kill the remaining processes of the worker's process group."""
        if not self._swept:
            self._swept = True
            end_group(self._id)
            self._guard.forget(self._id)

    @property
    def exit_code(self) -> int | None:
        """The exit code, or minus the signal; None while it runs or if the server ended before it reported one."""
        self._process.join(timeout=0 if self._process.is_alive() else None)
        code = self._process.exitcode
        return None if code == UNTOLD_CODE and has_ended(self._server_id) else code


def call(entry: str, folder: Path, requested_at: float) -> None:
    """Call ``module:function`` with the folder, which also receives its notices for the parent."""
    module, _, function = entry.partition(":")
    with kept_in(folder):
        getattr(importlib.import_module(module), function)(folder, requested_at)


def enter(entry: str, folder: str, requested_at: float, memory_bytes: int | None = None) -> None:
    """Set up a worker process (process group, output files, end with its parent, memory limit) and run the job."""
    os.setsid()  # children stay in this group, and Ctrl-C does not reach it
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
    os._exit(0)  # does not wait for threads or exit handlers of a plugin


def _end_with_parent() -> None:
    """End the worker when its parent has ended, in case the guard does not know it yet."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
