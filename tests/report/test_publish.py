"""Files put into place together: a full disk, a kill, a second writer, and what others left in the folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.errors import RunFolderError
from bench.record.files import write_bytes
from bench.report import publish as publishing
from bench.report.publish import publish
from tests.support import ROOT, python

OLD = {"a.md": b"old a", "below/b.svg": b"old b", "report.json": b"old"}
NEW = {"a.md": b"new a", "below/b.svg": b"new b", "c.md": b"new c", "report.json": b"new"}


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def full_after(files: int) -> Callable[[Path, bytes], None]:
    """A disk that takes so many files."""
    left = iter(range(files))

    def write(path: Path, what: bytes) -> None:
        if next(left, None) is None:
            raise RunFolderError(f"{path} cannot be written: No space left on device")
        write_bytes(path, what)

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish(tmp_path / "reports" / "demo", OLD)
    return tmp_path / "reports" / "demo"


def alone(folder: Path) -> bool:
    return [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("files", range(len(NEW)))
def test_a_disk_that_is_full_changes_nothing(folder: Path, files: int) -> None:
    with pytest.raises(RunFolderError, match=r"demo/[\w./]+ cannot be written: No space .*; no file was changed there"):
        publish(folder, NEW, write=full_after(files))
    assert content(folder) == OLD
    assert alone(folder)


def test_a_file_limit_of_the_system(folder: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from bench.errors import RunFolderError\n"
        "from bench.report.publish import publish\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: publish(Path(sys.argv[1]), {'a.md': b'x', 'b.md': b'y' * 2000, 'c.md': b'z'})\n"
        "except RunFolderError as error: print(error)\n"
    )
    assert python(code, folder) == f"{folder}/b.md cannot be written: File too large; no file was changed there"
    assert content(folder) == OLD
    assert alone(folder)


def test_files_of_others_go_along(folder: Path) -> None:
    (folder / "mine.txt").write_bytes(b"mine")
    (folder / "below" / "mine.txt").write_bytes(b"mine too")
    assert publish(folder, NEW) == [folder / name for name in NEW]
    assert content(folder) == NEW | {"mine.txt": b"mine", "below/mine.txt": b"mine too"}
    assert alone(folder)


@pytest.mark.parametrize("what", ["folder", "link", "no exchange"])
def test_what_cannot_change_places_is_moved(
    folder: Path, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run folder, say: another process may write into its folders now."""
    (folder / "mine.txt").write_bytes(b"mine")
    if what == "folder":
        (folder / "cells").mkdir()
    if what == "link":
        (folder / "link").symlink_to(tmp_path)
    if what == "no exchange":
        monkeypatch.setattr(publishing, "_exchange", lambda one, other: False)
    before = folder.stat().st_ino
    publish(folder, NEW)
    assert content(folder) == NEW | {"mine.txt": b"mine"}
    assert folder.stat().st_ino == before
    assert alone(folder)


def test_a_folder_whose_parent_cannot_be_written(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    folder.parent.chmod(0o500)
    try:
        publish(folder, NEW)
        assert content(folder) == NEW
    finally:
        folder.parent.chmod(0o700)


def test_a_folder_in_the_place_of_a_file(folder: Path) -> None:
    (folder / "c.md").mkdir()
    (folder / "c.md" / "x").write_bytes(b"x")
    with pytest.raises(RunFolderError, match="cannot be written"):
        publish(folder, NEW)
    assert content(folder)["report.json"] == b"old"


def test_a_report_folder_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    publish(tmp_path / "link", NEW)
    assert content(folder) == NEW
    assert (tmp_path / "link").is_symlink()


def test_what_a_killed_process_left_goes_in_time(folder: Path) -> None:
    for name, seconds in (("old", 0), ("new", 4e9)):
        aside = folder.parent / f".demo.drawn-{name}"
        aside.mkdir()
        os.utime(aside, (seconds, seconds))
    publish(folder, NEW)
    assert {path.name for path in folder.parent.iterdir()} == {"demo", ".demo.drawn-new"}


WRITER = """
import sys
from pathlib import Path
from bench.report.publish import publish
while True:
    publish(Path(sys.argv[1]), {f"{at}.md": sys.argv[2].encode() * 100 for at in range(20)})
    print("drawn", flush=True)
"""


def test_two_writers_at_once_and_a_kill_leave_one_draw(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for _ in range(3):
        with ExitStack() as stack:
            writers = [
                stack.enter_context(
                    subprocess.Popen([sys.executable, "-c", WRITER, folder, each], stdout=subprocess.PIPE, cwd=ROOT)
                )
                for each in "ab"
            ]
            for writer in writers:
                assert writer.stdout is not None
                assert [writer.stdout.readline() for _ in range(5)] == [b"drawn\n"] * 5
            for writer in writers:
                writer.kill()
        assert len({found[:1] for found in content(folder).values()}) == 1
        assert len(content(folder)) == 20
