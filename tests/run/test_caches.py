"""Whole runs over a cache that is damaged, in the way or used by two at once: they measure, and say what happened."""

from pathlib import Path

import pytest

from tests.support import (
    TEST_ROWS,
    TRAIN_ROWS,
    command,
    records,
    small_study,
    write_study,
    write_texts,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def study(tiny_encoder: Path, tmp_path: Path) -> Path:
    texts = write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    return write_study(tmp_path / "small.toml", small_study(tiny_encoder, texts, seeds=[0, 1]))


def test_damaged_entries_change_no_result(study: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = command("run", study, "--runs", "first", cwd=tmp_path, TUNEBENCH_CACHE=str(cache))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "warning" not in first.stdout
    entries = sorted((cache / "tokens").iterdir())
    for path in entries:
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
    second = command("run", study, "--runs", "second", cwd=tmp_path, TUNEBENCH_CACHE=str(cache))
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout.replace("\n", " ").count("warning: the cached ") == len(entries)
    before, after = (records(tmp_path / runs / "small") for runs in ("first", "second"))
    assert {name: each["quality"] for name, each in before.items()} == {n: each["quality"] for n, each in after.items()}


def test_a_file_in_place_of_the_cache_is_said_once(study: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    done = command("run", study, "--runs", "runs", cwd=tmp_path, TUNEBENCH_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.replace("\n", " ").count("warning: the cache ") == 1
