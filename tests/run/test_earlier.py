"""What a run takes over from the one before, and what it says of records that nobody can check any more."""

import json
from pathlib import Path

import pytest

from bench.record.digests import KEY, digests_of
from bench.record.run_folder import RunFolder
from bench.run.earlier import earlier_run

CONTENT = {"schema_version": 1, "command": "tunebench run s"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Seven finished cells, as this version leaves them, and one that is not."""
    run = RunFolder(tmp_path)
    for number in range(8):
        paths = run.cell(f"c{number}")
        paths.path.mkdir(parents=True)
        if number < 7:
            paths.record.write_text("{}")
            paths.record.chmod(0o444)
    return run


def taken_over(folder: RunFolder) -> tuple[int, list[str]]:
    said: list[str] = []
    content, known = earlier_run(folder, said.append)
    assert known == {f"c{number}": digests_of(folder.cell(f"c{number}")) for number in range(7)}
    return len(content), said


UNCHECKED = "7 finished records cannot be checked any more, and may have been changed: c0, c1, c2, c3, c4 and 2 more; "


@pytest.mark.parametrize("content", ["", '{"schema_version": 1, "rec', "[]", json.dumps(CONTENT | {KEY: {"c0": "no"}})])
def test_a_run_json_that_cannot_be_read(folder: RunFolder, content: str) -> None:
    folder.run.write_text(content)
    (said,) = taken_over(folder)[1]
    assert said.startswith("written again: ")
    assert UNCHECKED in said


@pytest.mark.parametrize("there", [True, False], ids=["without digests", "removed"])
def test_records_that_were_written_with_digests(folder: RunFolder, there: bool) -> None:
    if there:
        folder.run.write_text(json.dumps(CONTENT))
    size, (said,) = taken_over(folder)
    assert size == (2 if there else 0)
    assert said.startswith(f"{folder.run} holds no digests; {UNCHECKED}")


def test_nothing_is_said_of_a_run_of_before(folder: RunFolder) -> None:
    folder.run.write_text(json.dumps(CONTENT))
    for number in range(7):
        folder.cell(f"c{number}").record.chmod(0o644)
    assert taken_over(folder) == (2, [])


def test_only_those_that_were_are_named(folder: RunFolder) -> None:
    folder.run.write_text(json.dumps(CONTENT))
    for number in range(6):
        folder.cell(f"c{number}").record.chmod(0o644)
    (said,) = taken_over(folder)[1]
    assert "; 1 finished record cannot be checked any more, and may have been changed: c6; " in said


def test_a_whole_run_json_is_believed(folder: RunFolder) -> None:
    digests = {"c0": {"record.json": "0" * 64}}
    folder.run.write_text(json.dumps(CONTENT | {KEY: digests}))
    said: list[str] = []
    assert earlier_run(folder, said.append) == (CONTENT | {KEY: digests}, digests)
    assert said == []
