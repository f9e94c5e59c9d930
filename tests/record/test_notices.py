"""What a job tells its parent."""

import os
from pathlib import Path

import pytest

from bench.record.notices import DOING, NOTICES, Doing, doing, doing_of, kept_in, notice, notices_of


def test_the_innermost_stretch_is_told_and_then_the_outer_one(tmp_path: Path) -> None:
    with kept_in(tmp_path):
        with doing("a", seconds=3):
            with doing("b\x1b"):
                assert doing_of(tmp_path) == Doing("b\\x1b")
            assert doing_of(tmp_path) == Doing("a", 3)
        assert doing_of(tmp_path) is None


def test_a_memory_error_says_what_was_being_done(tmp_path: Path) -> None:
    with pytest.raises(MemoryError) as caught, doing("a"), doing("b"):
        raise MemoryError
    assert caught.value.__notes__ == ["b"]


@pytest.mark.parametrize("content", ["", "[", "3", "[1]", '["a", "b"]', "[" * 100_000, "null"])
def test_a_damaged_word_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / DOING).write_text(content)
    assert doing_of(tmp_path) is None


@pytest.mark.parametrize("name", [DOING, NOTICES])
def test_a_pipe_or_a_link_is_not_read(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    assert (doing_of(tmp_path), notices_of(tmp_path)) == (None, [])
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    assert (doing_of(tmp_path), notices_of(tmp_path)) == (None, [])


def test_notices_are_bounded_and_told_once(tmp_path: Path) -> None:
    with kept_in(tmp_path):
        for at in range(100):
            notice(f"{at % 50} " + "x" * 10_000)
        notice("0 again")
    lines = notices_of(tmp_path)
    assert len(lines) == 20
    assert max(map(len, lines)) < 1100


def test_without_a_job_a_notice_goes_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    notice("a\nb")
    assert capsys.readouterr().err == "tunebench: a\\nb\n"
