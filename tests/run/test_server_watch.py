"""A fork server that is stopped or killed: nobody waits for it for ever, and another one takes its place."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.run.executor import LocalExecutor, LocalJob, _server
from bench.run.server_watch import PATIENCE_SECONDS, answering, has_ended

#: Work for a worker whose server imports this alone.
JOBS = """
import time

def quick(folder, requested_at):
    pass

def waits(folder, requested_at):
    time.sleep(1000)

def ends(folder, requested_at):
    time.sleep(1)
"""
#: That is waited for a server at most, and for the imports of another one.
ANSWERS_SECONDS = 60.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "server_watch_jobs.py").write_text(JOBS)
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{tmp_path}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("bench.run.executor.FORK_SECONDS", 5.0)
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    executor = LocalExecutor(["json"])
    yield executor
    executor.close()


def start(executor: LocalExecutor, name: str, folder: Path) -> LocalJob:
    return executor.start(f"server_watch_jobs:{name}", folder)


def strike(number: signal.Signals) -> None:
    os.kill(_server()._forkserver_pid, number)


def seconds_until_ended(job: LocalJob) -> float:
    started = time.monotonic()
    while not job.wait(0.5):
        assert time.monotonic() - started < ANSWERS_SECONDS
    return time.monotonic() - started


@pytest.mark.slow
class TestAServer:
    def test_that_was_stopped_is_replaced_when_a_worker_is_asked_for(
        self, executor: LocalExecutor, folder: Path
    ) -> None:
        assert start(executor, "quick", folder).wait(ANSWERS_SECONDS)
        strike(signal.SIGSTOP)
        started = time.monotonic()
        job = start(executor, "quick", folder)
        assert time.monotonic() - started < ANSWERS_SECONDS
        assert job.wait(ANSWERS_SECONDS)
        assert job.exit_code == 0

    def test_that_is_stopped_during_a_job_costs_its_exit_code(self, executor: LocalExecutor, folder: Path) -> None:
        job = start(executor, "ends", folder)
        strike(signal.SIGSTOP)
        assert seconds_until_ended(job) > PATIENCE_SECONDS
        assert job.exit_code is None
        assert start(executor, "quick", folder).wait(ANSWERS_SECONDS)

    def test_that_is_stopped_holds_up_no_kill(self, executor: LocalExecutor, folder: Path) -> None:
        job = start(executor, "waits", folder)
        strike(signal.SIGSTOP)
        started = time.monotonic()
        job.kill()
        assert time.monotonic() - started < ANSWERS_SECONDS
        assert job.exit_code is None

    def test_that_is_killed_ends_the_job_and_is_replaced(self, executor: LocalExecutor, folder: Path) -> None:
        job = start(executor, "waits", folder)
        strike(signal.SIGKILL)
        assert seconds_until_ended(job) < PATIENCE_SECONDS
        assert job.exit_code is None
        again = start(executor, "quick", folder)
        assert again.wait(ANSWERS_SECONDS)
        assert again.exit_code == 0


def test_a_process_that_takes_too_long_is_killed() -> None:
    child = os.fork()
    if child == 0:
        time.sleep(100)
        os._exit(0)
    with answering(child, 0.1) as why:
        assert os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT) is not None
    assert why == ["did not answer for 0.1 s and was killed"]
    assert has_ended(child)
    os.waitpid(child, 0)
    assert has_ended(child)
