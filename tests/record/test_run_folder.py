"""The run folder: files that are whole, and one run at a time."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RunFolderError
from bench.record.digests import digest_of
from bench.record.files import read_text, write_json, write_text
from bench.record.record import SCHEMA_VERSION
from bench.record.run_folder import RunFolder, read_cell, read_record
from bench.report.results import predictions, step_curve
from tests.report.conftest import _record

NEWER = SCHEMA_VERSION + 1


@contextmanager
def full_disk(limit_bytes: int) -> Iterator[None]:
    """No file of this process may grow past a limit, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


class TestWrite:
    def test_text_is_what_was_given(self, tmp_path: Path) -> None:
        path = tmp_path / "a file"
        write_text(path, "é\n" * 3)
        write_text(path, "shorter")
        assert (path.read_text(encoding="utf-8"), names(tmp_path)) == ("shorter", ["a file"])

    def test_a_failure_leaves_the_old_file_and_nothing_else(self, tmp_path: Path) -> None:
        path = tmp_path / "record.json"
        write_text(path, "old")
        with pytest.raises(RunFolderError, match="cannot be written: File too large"), full_disk(4096):
            write_text(path, "x" * 100_000)
        with pytest.raises(UnicodeEncodeError):
            write_text(path, "x" * 100_000 + "\ud800")
        assert (path.read_text(), names(tmp_path)) == ("old", ["record.json"])

    def test_file_and_name_are_synced_in_this_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path, synced, sync = tmp_path / "record.json", [], os.fsync

        def note(descriptor: int) -> None:
            synced.append((Path(f"/proc/self/fd/{descriptor}").resolve().name, path.exists()))
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", note)
        write_text(path, "text")
        assert synced == [(f".record.json.{os.getpid()}", False), (tmp_path.name, True)]

    @pytest.mark.parametrize("content", [float("nan"), [float("inf")], {"a": {1, 2}}, b"bytes"])
    def test_json_that_is_none_writes_nothing(self, content: Any, tmp_path: Path) -> None:
        with pytest.raises((ValueError, TypeError)):
            write_json(tmp_path / "x.json", content)
        assert names(tmp_path) == []


class TestRead:
    def test_record_and_cell_come_back_as_they_were(self, tmp_path: Path) -> None:
        record = _record()
        write_json(tmp_path / "record.json", record.model_dump(mode="json"))
        write_json(tmp_path / "cell.json", record.cell.model_dump(mode="json"))
        assert read_record(tmp_path / "record.json") == record
        assert read_cell(tmp_path / "cell.json").id == record.cell_id

    def test_a_record_that_is_not_there_is_none_and_a_cell_is_an_error(self, tmp_path: Path) -> None:
        assert read_record(tmp_path / "record.json") is None
        with pytest.raises(RunFolderError, match="no such file"):
            read_cell(tmp_path / "cell.json")

    @pytest.mark.parametrize("read", [read_record, read_cell])
    def test_newer_schema_says_upgrade(self, read: Any, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        path.write_text(json.dumps({"schema_version": NEWER, "what": "nobody knows"}))
        with pytest.raises(RunFolderError, match=f"has schema {NEWER}.*upgrade tunebench"):
            read(path)

    @pytest.mark.parametrize(
        "content",
        [
            b"", b"{", b"[]", b"null", b"3", b'"text"', b"{}", b"\xff\xfe", b'{"schema_version": "one"}',
            b'{"schema_version": 1, "cell": 3}', b"[" * 100_000, b"NaN", b"\0",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("read", [read_record, read_cell])
    def test_corrupt_file_is_named(self, read: Any, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        path.write_bytes(content)
        with pytest.raises(RunFolderError, match=str(path)):
            read(path)

    def test_a_cut_record_is_corrupt_wherever_it_was_cut(self, tmp_path: Path) -> None:
        path = tmp_path / "record.json"
        whole = _record().model_dump_json(indent=1)
        for end in range(1, len(whole), len(whole) // 20):
            path.write_text(whole[:end])
            with pytest.raises(RunFolderError):
                read_record(path)

    def test_a_folder_in_the_place_of_a_record(self, tmp_path: Path) -> None:
        (tmp_path / "record.json").mkdir()
        with pytest.raises(RunFolderError, match="is not a record"):
            read_record(tmp_path / "record.json")


class TestRunFolder:
    def test_reads_its_cells_in_order(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        write_json(folder.run, {"schema_version": 1, "cell_ids": ["b", "a"]})
        assert folder.cell_ids() == ["b", "a"]

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (None, r"is not a run folder: it has no run\.json"),
            (json.dumps({"schema_version": NEWER}).encode(), "upgrade tunebench"),
            *((content, "cannot be read") for content in (b"", b"[1]", b"{}", b"\xff", b"3", b"[" * 100_000)),
        ],
    )
    def test_that_is_none(self, content: bytes | None, said: str, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        if content is not None:
            folder.run.write_bytes(content)
        with pytest.raises(RunFolderError, match=said):
            folder.read_run()

    def test_without_its_list_of_cells(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        write_json(folder.run, {"schema_version": 1})
        with pytest.raises(RunFolderError):
            folder.cell_ids()

    @pytest.mark.parametrize(
        "cell_id", ["", ".", "..", "../x", "../../x", "/etc", "a/b", "a\\b", "a\n", "a\0", "é", "a b", 3, None, ["a"]]
    )
    def test_that_lists_what_leads_out_of_it(self, cell_id: Any, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        write_json(folder.run, {"schema_version": 1, "cell_ids": ["a", cell_id]})
        with pytest.raises(RunFolderError, match=r"run\.json cannot be read: .* is not a valid cell id"):
            folder.cell_ids()

    def test_every_id_of_a_cell_is_one(self, tmp_path: Path) -> None:
        folder, ids = RunFolder(tmp_path), [_record(dataset_name=name).cell_id for name in ("../x", "a.b", "é", "-")]
        write_json(folder.run, {"schema_version": 1, "cell_ids": [*ids, "...", "-"]})
        assert folder.cell_ids() == [*ids, "...", "-"]


def refusing(number: int, said: str) -> Callable[[int, int], None]:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, said)

    return refuse


class TestLock:
    def try_in_another_process(self, folder: Path) -> str:
        code = (
            "import sys\nfrom pathlib import Path\nfrom bench.errors import RunFolderError\n"
            "from bench.record.run_folder import RunFolder\n"
            "try:\n    with RunFolder(Path(sys.argv[1])).locked():\n        print('locked')\n"
            "except RunFolderError as error:\n    print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    def test_excludes_a_second_process_and_lets_go(self, tmp_path: Path) -> None:
        with RunFolder(tmp_path / "run").locked():
            assert "another run is using" in self.try_in_another_process(tmp_path / "run")
        assert self.try_in_another_process(tmp_path / "run") == "locked"

    def test_lets_go_after_an_error(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path / "run")
        with pytest.raises(KeyboardInterrupt), folder.locked():
            raise KeyboardInterrupt
        with folder.locked():
            assert folder.cells.is_dir()

    def test_excludes_a_second_run_where_the_file_system_has_no_flock(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fcntl.flock", refusing(errno.ENOSYS, "Function not implemented"))
        with (
            RunFolder(tmp_path / "run").locked(),
            pytest.raises(RunFolderError, match="another run is using"),
            RunFolder(tmp_path / "run").locked(),
        ):
            pass
        with RunFolder(tmp_path / "run").locked():
            pass

    def test_a_file_system_that_refuses_locks_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fcntl.flock", refusing(errno.ENOLCK, "No locks available"))
        with (
            pytest.raises(RunFolderError, match="cannot be written: No locks available; give --runs another folder"),
            RunFolder(tmp_path / "run").locked(),
        ):
            pass

    def test_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(RunFolderError, match="cannot be written"), RunFolder(tmp_path / "file" / "run").locked():
            pass


class TestFilesOfAnySize:
    @pytest.fixture
    def endless(self, tmp_path: Path) -> Path:
        """A file that takes no room on the disk, and would take all memory or hours to read."""
        path = tmp_path / "record.json"
        with path.open("wb") as file:
            file.truncate(3 * 1024**4)
        return path

    def test_is_not_read(self, endless: Path) -> None:
        with pytest.raises(RunFolderError, match=r"record\.json is not a record: it has 3298534883328 bytes, but"):
            read_record(endless)

    def test_has_no_digest(self, endless: Path) -> None:
        assert digest_of(endless) is None

    def test_the_bound_is_what_the_file_may_have(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_text("abcd")
        assert read_text(path, 4) == "abcd"
        with pytest.raises(OSError, match="it has 4 bytes, but such a file may have at most 3"):
            read_text(path, 3)

    def test_lines_and_steps(self, endless: Path) -> None:
        for read in (lambda: predictions.read(endless, 2), lambda: step_curve.read(endless)):
            with pytest.raises(RunFolderError, match="cannot be read: it has 3298534883328 bytes"):
                read()
