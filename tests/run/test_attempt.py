"""Logs of a worker that has ended."""

from pathlib import Path

import pytest

from bench.record.log_end import end_of_log
from bench.record.run_folder import CellFolder
from bench.run import attempt
from bench.run.attempt import redact
from bench.run.failures import LOG_CHARACTERS, Ending, record_of
from bench.text.message import message
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.conftest import make_record as make_record

SAID = "GET https://user:PASSWORD@host failed\n"


def test_credentials_are_taken_out_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "stderr.txt"
    log.write_text(SAID)
    redact(log)
    assert log.read_text() == "GET https://REDACTED@host failed\n"


def test_what_is_no_log_stays(tmp_path: Path) -> None:
    redact(tmp_path / "missing.txt")
    (tmp_path / "file").write_text(SAID)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    redact(tmp_path / "link")
    assert (tmp_path / "file").read_text() == SAID


def test_of_a_very_long_log_the_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "LONGEST_LOG_BYTES", 1000)
    long = tmp_path / "long"
    long.write_text(f"{SAID * 100}PASSWORD\n-----END PRIVATE KEY-----\nend\n")
    size = long.stat().st_size
    redact(long)
    first, *kept = long.read_text().splitlines()
    left_out = int(first.removeprefix("[the first ").removesuffix(" bytes of this log were left out]"))
    assert 0 <= left_out - (size - 1000) < len(SAID)
    assert (kept[0], kept[-1]) == (SAID.strip().replace("user:PASSWORD", "REDACTED"), "end")
    assert "PASSWORD" not in long.read_text()


def test_the_end_of_a_log_that_a_record_keeps(tmp_path: Path) -> None:
    log = tmp_path / "stderr.txt"
    log.write_text(f"-----BEGIN PRIVATE KEY-----\n{'PASSWORD' * 3000}\n-----END PRIVATE KEY-----\nend\n")
    assert message(end_of_log(log, 8000)) == "REDACTED\nend"


def test_a_record_keeps_no_half_of_a_credential(make_record: MakeRecord, tmp_path: Path) -> None:
    """Its log could not be written anew, e.g. on a full disk."""
    paths = CellFolder(tmp_path)
    paths.stderr.write_text(f"password={'PASSWORD' * 20}\n" + "x" * (LOG_CHARACTERS - 50))
    ending = Ending(
        exit_code=1,
        timed_out=False,
        oom_killed=False,
        disk_full=True,
        phase="train",
        started=0.0,
        started_at="2026-01-02",
    )
    assert "PASSWORD" not in known(record_of(make_record("error").cell, paths, ending).failure).message


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "stderr.txt"
    assert end_of_log(log, 10) == ""
    log.write_bytes(b"\xff" * 10**6 + "é".encode() * 20 + b"\n")
    assert (end_of_log(log, 10), end_of_log(tmp_path, 10)) == ("é" * 10, "")
