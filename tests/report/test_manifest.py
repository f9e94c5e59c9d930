"""A report's folder: what is written, what is told of it, and what of an earlier draw goes."""

import json
import os
from pathlib import Path

import pytest

from bench.errors import NewerSchemaError, RunFolderError
from bench.report.manifest import MANIFEST, digest_of, read, write


def drawn(folder: Path, **files: str) -> None:
    write({name.replace("_", "."): text.encode() for name, text in files.items()}, "0", ["md"], folder)


def test_what_is_told(tmp_path: Path) -> None:
    paths = write({"a.md": b"1", "below/b.svg": b"2"}, "abc", ["md", "csv"], tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in paths] == ["a.md", "below/b.svg", MANIFEST]
    found = read(tmp_path)
    assert found.files == {"a.md": digest_of(b"1"), "below/b.svg": digest_of(b"2")}
    assert (found.records_sha256, found.formats) == ("abc", ("md", "csv"))
    assert found.drawn_with["tunebench"][0].isdigit()


def test_what_is_not_drawn_any_more_goes(tmp_path: Path) -> None:
    drawn(tmp_path, a_md="1", b_md="2")
    (tmp_path / "mine.txt").write_text("mine")
    drawn(tmp_path, a_md="3")
    assert {path.name for path in tmp_path.iterdir()} == {"a.md", MANIFEST, "mine.txt"}


def test_what_was_changed_since_stays(tmp_path: Path) -> None:
    drawn(tmp_path, a_md="1", b_md="2")
    (tmp_path / "b.md").write_text("changed by hand")
    drawn(tmp_path, a_md="3")
    assert (tmp_path / "b.md").read_text() == "changed by hand"


@pytest.mark.parametrize("name", ["../canary", "/canary", "a/../../canary", ".hidden", "a//b", "", "a\nb"])
def test_a_manifest_that_lists_what_lies_elsewhere(tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    canary.write_text("sings")
    folder = tmp_path / "report"
    drawn(folder, a_md="1")
    said = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(said | {"files": {name: digest_of(b"sings")}}))
    with pytest.raises(RunFolderError, match="is no name of a file in it"):
        read(folder)
    drawn(folder, a_md="2")
    assert canary.read_text() == "sings"


def test_a_folder_that_is_a_link_is_not_cleared(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "report"
    write({"below/b.svg": b"2"}, "0", ["md"], folder)
    (folder / "below" / "b.svg").rename(tmp_path / "elsewhere" / "b.svg")
    (folder / "below").rmdir()
    (folder / "below").symlink_to(tmp_path / "elsewhere")
    drawn(folder, a_md="1")
    assert (tmp_path / "elsewhere" / "b.svg").exists()


def test_no_file_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "below").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunFolderError, match="is a link that leads out of the report"):
        write({"below/b/c.svg": b"2"}, "0", ["md"], folder)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_newer_report_is_not_replaced(tmp_path: Path) -> None:
    drawn(tmp_path, a_md="1")
    said = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(said | {"schema_version": 99}))
    with pytest.raises(NewerSchemaError, match="upgrade tunebench"):
        drawn(tmp_path, a_md="2")
    assert (tmp_path / "a.md").read_text() == "1"


def test_a_manifest_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MANIFEST)
    with pytest.raises(RunFolderError, match="cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"schema_version": 1}', "[" * 100_000])
def test_a_manifest_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(RunFolderError, match=r"report\.json cannot be read: \w+$"):
        read(tmp_path)


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"it has no report\.json; draw it again"):
        read(tmp_path)
