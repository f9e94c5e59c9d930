"""What a killed run leaves, and a disk that is full."""

import json
import shutil
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest

from bench.errors import NewerSchemaError, RunFolderError
from bench.record.files import write_text
from bench.record.record import Record
from bench.record.run_folder import CellFolder, RunFolder
from bench.run.recovery import RESERVE_BYTES, Reserve, begin_attempt, end_attempt, is_full, recover
from tests.report.conftest import _record

CELL = "a-cell"
FAILED = _record(status="error")
FINISHED = _record()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run_folder = RunFolder(tmp_path / "run")
    run_folder.cells.mkdir(parents=True)
    return run_folder


def attempt(folder: RunFolder, record: Record | None, log: str) -> CellFolder:
    """An attempt at the cell, ended with this record or killed before it had one."""
    paths = begin_attempt(folder, CELL)
    paths.stderr.write_text(log)
    if record is not None:
        write_text(paths.record, record.model_dump_json())
    return paths


class TestAttempts:
    def test_an_attempt_begins_in_an_empty_folder(self, folder: RunFolder) -> None:
        paths = attempt(folder, None, "killed")
        assert (begin_attempt(folder, CELL).path, list(paths.path.iterdir())) == (paths.path, [])

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda paths: None, lambda paths: paths.record.write_text(FINISHED.model_dump_json()[:200]),
            lambda paths: shutil.rmtree(paths.path),
        ],
        ids=["killed", "killed amid its record", "its recovery was killed"],
    )  # fmt: skip
    def test_a_killed_retry_costs_the_earlier_attempt_nothing(
        self, spoil: Callable[[CellFolder], object], folder: RunFolder
    ) -> None:
        attempt(folder, FAILED, "the first story")
        paths = attempt(folder, None, "half a story")
        spoil(paths)
        recover(folder)
        assert paths.stderr.read_text() == "the first story"
        assert Record.model_validate_json(paths.record.read_bytes()) == FAILED
        assert not folder.earlier.exists()

    @pytest.mark.parametrize("end", [recover, lambda folder: end_attempt(folder, CELL)], ids=["killed", "ended"])
    def test_a_retry_that_has_its_record_counts(self, end: Callable[[RunFolder], object], folder: RunFolder) -> None:
        attempt(folder, FAILED, "the first story")
        paths = attempt(folder, FINISHED, "the second story")
        end(folder)
        assert paths.stderr.read_text() == "the second story"
        assert not folder.earlier.exists()

    def test_a_record_of_a_newer_schema_is_not_moved(self, folder: RunFolder) -> None:
        paths = attempt(folder, None, "")
        paths.record.write_text(json.dumps({"schema_version": 99}))
        with pytest.raises(NewerSchemaError):
            begin_attempt(folder, CELL)
        assert paths.record.exists()


def test_what_was_written_aside_and_never_moved_goes(folder: RunFolder) -> None:
    paths = attempt(folder, FINISHED, "")
    folder.flops.mkdir()
    left = [paths.path / ".record.json.123", folder.path / ".run.json.77", folder.flops / ".0a1b.json.5"]
    kept = [paths.path / "record.json", paths.path / ".hidden", folder.path / "notes.1"]
    for path in (*left, *kept[1:]):
        path.write_text("{")
    folder.jobs.mkdir()
    (folder.jobs / "request.json").write_text("{}")
    recover(folder)
    assert ([path for path in left if path.exists()], [path for path in kept if not path.exists()]) == ([], [])
    assert not folder.jobs.exists()


def test_nothing_outside_of_the_folder_is_removed(folder: RunFolder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".notes.2024").write_text("mine")
    (folder.cells / "link").symlink_to(outside)
    recover(folder)
    assert (outside / ".notes.2024").read_text() == "mine"


def fill(place: Path) -> None:
    """Leave no block of a disk."""
    with (place / "filler").open("ab", buffering=0) as handle, pytest.raises(OSError, match="No space left"):
        write_on(handle)


def write_on(handle: FileIO) -> None:
    while True:
        handle.write(bytes(4096))


class TestFullDisk:
    def test_a_small_file_is_written_into_the_reserve(self, small_disk: Path) -> None:
        with Reserve(small_disk / "reserve") as reserve:
            fill(small_disk)
            assert is_full(small_disk)
            with pytest.raises(RunFolderError, match="No space left"):
                write_text(small_disk / "record.json", "{}" * 4000)
            assert not (small_disk / "record.json").exists()
            reserve.write(small_disk / "record.json", "{}" * 4000)
            assert (small_disk / "record.json").read_text() == "{}" * 4000
        assert {path.name for path in small_disk.iterdir()} == {"filler", "record.json"}

    def test_what_not_even_the_reserve_holds_is_an_error(self, small_disk: Path) -> None:
        write_text(small_disk / "record.json", "old")
        with Reserve(small_disk / "reserve") as reserve:
            fill(small_disk)
            with pytest.raises(RunFolderError, match="No space left"):
                reserve.write(small_disk / "record.json", "x" * 10**6)
        assert (small_disk / "record.json").read_text() == "old"

    def test_the_reserve_is_held_again_where_there_is_room(self, small_disk: Path) -> None:
        with Reserve(small_disk / "reserve") as reserve:
            fill(small_disk)
            reserve.write(small_disk / "a", "1" * 100)  # all but this is left of the reserve, too little to hold it
            assert not (small_disk / "reserve").exists()
            (small_disk / "filler").unlink()
            reserve.write(small_disk / "b", "2" * 100)
            fill(small_disk)
            reserve.write(small_disk / "c", "3" * 100)
        assert (small_disk / "c").read_text() == "3" * 100

    def test_a_disk_that_is_full_to_begin_with(self, small_disk: Path) -> None:
        fill(small_disk)
        with pytest.raises(RunFolderError, match="needs 256 KB of free disk space: No space left"):
            Reserve(small_disk / "reserve")
        assert not (small_disk / "reserve").exists()


def test_the_reserve_is_worth_several_records() -> None:
    assert 10 * len(FINISHED.model_dump_json(indent=1)) < RESERVE_BYTES
