"""Logs of a worker that has ended."""

from pathlib import Path

from bench.record.run_folder import end_of
from bench.run.attempt import LONGEST_LOG_BYTES, redact

SAID = "GET https://user:PASSWORD@host failed\n"


def test_credentials_are_taken_out_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "stderr.txt"
    log.write_text(SAID)
    redact(log)
    assert log.read_text() == "GET https://REDACTED@host failed\n"


def test_what_is_no_log_or_a_very_long_one_stays(tmp_path: Path) -> None:
    redact(tmp_path / "missing.txt")
    (tmp_path / "file").write_text(SAID)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    redact(tmp_path / "link")
    assert (tmp_path / "file").read_text() == SAID
    long = tmp_path / "long"
    long.write_text(SAID * (LONGEST_LOG_BYTES // len(SAID) + 1))
    redact(long)
    assert long.read_text().startswith(SAID)


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "stderr.txt"
    assert end_of(log, 10) == ""
    log.write_bytes(b"\xff" * 10**6 + "é".encode() * 20 + b"\n")
    assert end_of(log, 10) == "é" * 10
    assert end_of(tmp_path, 10) == ""
