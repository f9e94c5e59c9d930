"""The record of a worker that wrote none: its status, its phase, and what it said last."""

from pathlib import Path
from typing import Any

import pytest

from bench.record.record import Record
from bench.record.run_folder import CellFolder
from bench.run.failures import Ending, record_of
from tests.known import known
from tests.report.conftest import _record

CELL = _record().cell
NO_TENSOR = "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 40 bytes"
OF_CUDA = "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"


def failed(folder: Path, log: str | None = "", **how: Any) -> Record:
    """The record of a worker that ended so, having said this."""
    paths = CellFolder(folder)
    if log is not None:
        paths.stderr.write_text(log, encoding="utf-8", errors="surrogateescape")
    usual = {"exit_code": 1, "timed_out": False, "oom_killed": False, "disk_full": False, "phase": "train"}
    return record_of(CELL, paths, Ending(**{**usual, "started": 1e9, "started_at": "2001-09-09T01:46:40+00:00", **how}))


@pytest.mark.parametrize(
    ("how", "log", "status", "kind", "said"),
    [
        ({"exit_code": 3}, "", "error", "exit code 3", "ended without a record"),
        ({"exit_code": None}, "", "error", "exit code None", "ended without a record"),
        ({"exit_code": -9}, "", "killed", "signal 9", "out of host memory is the usual reason"),
        ({"exit_code": -11}, "", "killed", "signal 11", "was killed"),
        ({"exit_code": -9, "oom_killed": True}, "", "oom", "signal 9", "the kernel killed the worker"),
        ({"exit_code": -11, "oom_killed": True}, "", "killed", "signal 11", "was killed"),
        ({"exit_code": -6}, "terminate called: std::bad_alloc", "oom", "signal 6", "for lack of memory"),
        ({"exit_code": -6}, "memory allocation of 12582912 bytes failed", "oom", "signal 6", "for lack of memory"),
        (
            {"exit_code": -9, "timed_out": True, "doing": "making tokens of 3 texts"}, "", "timeout", "TimeLimit",
            "exceeded limits.cell_timeout_seconds = 3600, while making tokens of 3 texts",
        ),
        ({}, NO_TENSOR, "oom", "exit code 1", "for lack of memory"),
        ({}, "x\nMemoryError", "oom", "exit code 1", "for lack of memory"),
        ({}, f"x\n{OF_CUDA}", "oom", "exit code 1", "for lack of memory"),
        ({}, "Error out of memory at line 380 in file /src/ops.cu", "oom", "exit code 1", "for lack of memory"),
        ({"disk_full": True}, "", "error", "DiskFull", "the disk of the run folder is full"),
        ({"exit_code": -9, "timed_out": True}, NO_TENSOR, "timeout", "TimeLimit", "limits.cell_timeout_seconds = 3600"),
    ],
)  # fmt: skip
def test_how_a_worker_ended_is_its_status(
    how: dict[str, Any], log: str, status: str, kind: str, said: str, tmp_path: Path
) -> None:
    record = failed(tmp_path, log, **how)
    assert record.failure is not None
    assert (record.status, record.failure.type, record.failure.phase) == (status, kind, "train")
    assert said in record.failure.message
    assert record.failure.message.endswith(log)
    assert (record.cell, record.started_at) == (CELL, "2001-09-09T01:46:40+00:00")
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_the_end_of_a_long_log_is_kept(tmp_path: Path) -> None:
    record = failed(tmp_path, "a" * 100_000 + "the end")
    assert known(record.failure).message.endswith("the end")
    assert len(known(record.failure).message) < 2000


@pytest.mark.parametrize("log", [None, "\udcff\udcfe\0"])
def test_a_log_that_is_not_there_or_no_text(log: str | None, tmp_path: Path) -> None:
    assert failed(tmp_path, log).status == "error"


@pytest.mark.parametrize(
    ("how", "log", "memory"),
    [
        ({}, OF_CUDA, "gpu"), ({}, NO_TENSOR, "host"), ({"exit_code": -9, "oom_killed": True}, "", "host"),
        ({"exit_code": -9}, "", None), ({"exit_code": -9, "timed_out": True}, OF_CUDA, None),
    ],
)  # fmt: skip
def test_whose_memory_ran_out_is_told(how: dict[str, Any], log: str, memory: str | None, tmp_path: Path) -> None:
    assert known(failed(tmp_path, log, **how).failure).memory == memory


def test_the_reason_is_found_before_the_frames_that_follow_it(tmp_path: Path) -> None:
    frames = "".join(f"frame #{number}: some_function(long, list, of, arguments)\n" for number in range(60))
    record = failed(tmp_path, f"terminate called\n  what():  CUDA error: out of memory\n{frames}", exit_code=-6)
    assert (record.status, known(record.failure).memory) == ("oom", "gpu")
    assert len(known(record.failure).message) < 1200
