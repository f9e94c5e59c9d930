"""The folder for temporary files: too long for a socket, full, or nowhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import RequestError
from bench.run.socket_folder import ADDED, LONGEST_PATH, settle, temporary_folder
from tests.support import ROOT

IN_A_PROCESS = """
import sys
from bench.errors import RequestError
from bench.run.socket_folder import settle
from multiprocessing.connection import Listener
try:
    settle(sys.argv[1:])
    with Listener(family="AF_UNIX"):
        print("listens")
except RequestError as error:
    print(error)
"""


def listens(temporary: Path, *elsewhere: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, *map(str, elsewhere)],
        capture_output=True, text=True, check=True, timeout=60, cwd=ROOT, env={"TMPDIR": str(temporary)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.stdout.strip()


@pytest.fixture
def long(tmp_path: Path) -> Path:
    folder = tmp_path / ("t" * (LONGEST_PATH - ADDED))
    folder.mkdir()
    return folder


def test_a_folder_that_is_too_long_for_a_socket_is_passed_over(long: Path) -> None:
    assert listens(long, long, "/tmp") == "listens"
    assert list(long.iterdir()) == []


def test_where_there_is_none_the_limit_is_named(long: Path) -> None:
    said = listens(long, "/no/such/folder")
    assert f"TMPDIR must have at most {LONGEST_PATH - ADDED} bytes" in said
    assert "set TMPDIR to a shorter writable folder" in said


@pytest.mark.parametrize("folder", ["/no/such/folder", "/proc/1"])
def test_a_folder_that_is_not_there_or_cannot_be_written(folder: str) -> None:
    assert listens(Path(folder)) == "listens"


def test_a_full_folder_is_named() -> None:
    with pytest.raises(RequestError, match="bytes free for temporary files, got 5; make room, or set TMPDIR"):
        temporary_folder("tunebench-", lambda _: 5)


def test_no_folder_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(RequestError, match=r"gone.*No such file or directory; set TMPDIR to a writable folder"):
        temporary_folder("tunebench-")


def test_settling_twice_changes_nothing() -> None:
    settle()
    settle()
