"""What a report keeps to be drawn again: readable as records, without paths and without texts of the data."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RunFolderError
from bench.record.record import Record
from bench.report import manifest
from bench.report.results import portable
from bench.report.results.archive import (
    EVIDENCE,
    NO_EVIDENCE,
    RECORDS,
    STUDY,
    parse,
    read,
    texts,
)
from bench.report.results.measured import Evidence
from bench.report.results.portable import QUOTES_DATA
from bench.report.results.run import Results
from bench.report.results.step_curve import StepCurve
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped, results, study
from tests.support import write_files

RUN = {"schema_version": 1, "study": study(), "command": "tunebench run s", "written_at": "", "cell_ids": []}


@pytest.fixture
def two(make_record: MakeRecord, tmp_path: Path) -> Results:
    """A run of two cells that predicted the same texts, and of one that stopped."""
    cells = Cells(make_record, tmp_path / "cells")
    curve = StepCurve(name="train", last_step=(2, 4), elapsed_seconds=(1, 2), tokens_per_second=(8, 8), loss=(2, 1))
    first = cells.measured(list(TRUTH))
    first = first._replace(evidence=Evidence(first.evidence.predictions, (curve,), log="a line\nand another"))
    return results(RUN, first, cells.measured(flipped(1), seed=1), cells.failed(seed=2))


def test_records_hold_no_text_of_the_data(make_record: MakeRecord) -> None:
    records = [make_record(), make_record(kind="causal", model="Qwen", generated_f1=0.5)]
    assert records[1].prompt is not None
    lines = texts(results(RUN, *records))[RECORDS].splitlines()
    encoder, causal = (Record.model_validate_json(line) for line in lines)
    assert encoder.prompt is None
    assert causal.prompt == records[1].prompt.model_copy(update={"example": QUOTES_DATA})


def test_what_is_read_is_what_was_written(two: Results) -> None:
    found = parse(texts(two), Path("here"))
    (run,), (wanted,) = found.runs, two.runs
    assert [record.cell_id for record in run.records] == [record.cell_id for record in wanted.records]
    assert run.study["name"] == "s"
    for (_, one), (_, other) in zip(run.cells, wanted.cells, strict=True):
        assert (one.curves, one.log, one.shown) == (other.curves, other.log, other.shown)
    predicted = [evidence.predictions for _, evidence in run.cells]
    assert predicted[2] == "the cell stopped"
    assert not isinstance(predicted[1], str)
    assert predicted[1].predicted.tolist() == flipped(1)
    assert texts(parse(texts(found), Path("here"))) == texts(found)


def test_texts_that_cells_share_are_kept_once(two: Results) -> None:
    lines = [json.loads(line) for line in texts(two)[EVIDENCE].splitlines()]
    assert ["ids" in line for line in lines] == [True, False, False, False]


def test_several_runs(two: Results, make_record: MakeRecord) -> None:
    both = Results((*two.runs, *results(RUN | {"study": study(name="t")}, make_record(seed=7)).runs))
    found = parse(texts(both), Path("here"))
    assert [[record.cell.seed for record in run.records] for run in found.runs] == [[0, 1, 2], [7]]
    assert ([run.name for run in found.runs], found.name) == (["s", "t"], "s+t")


def test_the_hash_is_that_of_the_records(two: Results, make_record: MakeRecord) -> None:
    hashes = {parse(texts(one), Path("here")).sha256 for one in (two, results(RUN, make_record(seed=9)), two)}
    assert len(hashes) == 2


def test_a_report_of_before_there_was_evidence(two: Results, tmp_path: Path) -> None:
    write_files(tmp_path, {name: text for name, text in texts(two).items() if name != EVIDENCE})
    assert {evidence.predictions for _, evidence in read(tmp_path).cells} == {NO_EVIDENCE}


def spoilt(two: Results, name: str, at: int, **changes: Any) -> dict[str, str]:
    """The files, one line of one of them changed."""
    found = texts(two)
    lines = found[name].splitlines()
    lines[at] = json.dumps(json.loads(lines[at]) | changes)
    return found | {name: "\n".join(lines)}


@pytest.mark.parametrize(
    ("at", "changes", "said"),
    [
        (1, {"predicted": [0]}, "are not one class for each text"),
        (1, {"predicted": [0, 2] * 6}, "are not one class for each text"),
        (1, {"predicted": [0, -1] * 6}, "are not one class for each text"),
        (0, {"labels": [0]}, "are not one class for each text"),
        (0, {"ids": ["a"] * 12}, "hold a text twice"),
        (1, {"texts": "other"}, "are of no known texts"),
    ],
)
def test_predictions_that_cannot_be(two: Results, at: int, changes: dict[str, Any], said: str) -> None:
    found = parse(spoilt(two, EVIDENCE, at, **changes), Path("here")).cells[0].evidence.predictions
    assert isinstance(found, str)
    assert said in found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cell_id": "another"}, r"evidence\.jsonl belongs to other records than those beside it"),
        ({"more": 1}, r"evidence\.jsonl, line 2 cannot be read: ValidationError"),
        ({"log": None}, r"evidence\.jsonl, line 2 cannot be read: ValidationError"),
    ],
)
def test_evidence_that_cannot_be(two: Results, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RunFolderError, match=said):
        parse(spoilt(two, EVIDENCE, 1, **changes), Path("here"))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]", "3", '{"cell_id": 1}'])
def test_evidence_that_is_none(two: Results, text: str) -> None:
    with pytest.raises(RunFolderError, match=r"evidence\.jsonl, line 1 cannot be read"):
        parse(texts(two) | {EVIDENCE: text}, Path("here"))


@pytest.mark.parametrize(
    "runs", [[], 3, [3], [{}, {}], [RUN | {"records": 1}, RUN | {"records": -1}], [{"study": study()}]], ids=repr
)
def test_runs_that_cannot_be(two: Results, runs: object) -> None:
    with pytest.raises(RunFolderError, match=r"study\.json cannot be read"):
        parse(texts(two) | {STUDY: json.dumps({"schema_version": 1, "runs": runs})}, Path("here"))


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("tunebench run s --data-root /home/me/my\\ data", "tunebench run s --data-root 'my data'"),
        ("tunebench run '/a b/c.toml' --runs ../runs", "tunebench run c.toml --runs ../runs"),
        ("tunebench run / x", "tunebench run / x"),
        ("tunebench run s --data-root=/home/me/data", "tunebench run s --data-root=data"),
        ("tunebench run s --log tensorboard=/home/me/tb", "tunebench run s --log tensorboard=tb"),
        ("not 'closed /home/me", "not 'closed /home/me"),
    ],
)  # fmt: skip
def test_a_command_holds_no_absolute_path(command: str, wanted: str) -> None:
    assert portable.command(command) == wanted


def test_a_study_holds_no_absolute_path(make_record: MakeRecord) -> None:
    given = study() | {
        "title": "/r/dataisbeautiful", "datasets": {"x": {"path": "/home/me/x"}},
        "grid": [{"datasets": ["/home/me/reviews", "/data/reviews"], "models": ["/home/me/bert"], "methods": ["lora"]}],
    }  # fmt: skip
    found = json.loads(texts(results(RUN | {"study": given}, make_record()))[STUDY])["study"]
    assert (found["title"], found["datasets"]["x"]["path"]) == ("/r/dataisbeautiful", "x")
    assert (found["grid"][0]["datasets"], found["grid"][0]["models"]) == (["reviews", "reviews-1"], ["bert"])
    again = texts(parse(texts(results(RUN | {"study": given}, make_record())), Path("here")))
    assert json.loads(again[STUDY])["study"]["grid"][0]["datasets"] == ["reviews", "reviews-1"]


def test_what_records_say_holds_no_absolute_path(make_record: MakeRecord) -> None:
    said = "no /home/me/data/x.csv, see https://host/a/b and file:///home/me/c"
    records = [
        make_record("error", message=said),
        make_record(fields={"warnings": [said], "unknown": {"energy": said}}),
    ]
    kept = texts(results(RUN, *records))[RECORDS]
    assert "/home" not in kept
    assert kept.count("no x.csv, see https://host/a/b and file://c") == 3
    assert texts(parse(texts(results(RUN, *records)), Path("here")))[RECORDS] == kept


@pytest.mark.parametrize("text", ["/a//b/c", "//a/b/", "a /b/c/d:/e/f 'x'/y/z", "http://a/b/c", "/a/b/ /c/d", "x:/y/z"])
def test_a_text_without_folders_stays_as_it_is(text: str) -> None:
    once = portable.FOLDERS.sub("", text)
    assert portable.FOLDERS.sub("", once) == once


def test_curves_of_columns_of_different_lengths(two: Results) -> None:
    spoilt_text = texts(two)[EVIDENCE].replace('"elapsed_seconds":[1.0,2.0]', '"elapsed_seconds":[1.0]')
    assert spoilt_text != texts(two)[EVIDENCE]
    with pytest.raises(RunFolderError, match=r"evidence\.jsonl, line 2 cannot be read"):
        parse(texts(two) | {EVIDENCE: spoilt_text}, Path("here"))


class TestAChangedReport:
    @pytest.fixture
    def folder(self, two: Results, tmp_path: Path) -> Path:
        manifest.write({name: text.encode() for name, text in texts(two).items()}, "0" * 64, ("md",), tmp_path / "r")
        return tmp_path / "r"

    @pytest.mark.parametrize("name", [RECORDS, STUDY, EVIDENCE])
    def test_is_refused_where_report_json_is_there(self, folder: Path, name: str) -> None:
        assert len(read(folder).cells) == 3
        path = folder / name
        before = path.read_text()
        changed = before.replace('"wall_seconds": ', '"wall_seconds": 1', 1).replace("run s", "run t")
        path.write_text(changed.replace("a line", "no line"))
        assert path.read_text() != before
        with pytest.raises(RunFolderError, match=f"{name} is not the file that report.json .*put it back .*run folder"):
            read(folder)
        read(folder, changed=True)
        (folder / "report.json").unlink()
        read(folder)

    def test_a_manifest_that_comes_a_moment_later_is_waited_for(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, waits = folder / "report.json", []
        whole = path.read_text()
        path.write_text(whole.replace(json.loads(whole)["files"][RECORDS], "0" * 64))

        def moved(_: object, seconds: float) -> None:
            waits.append(seconds)
            path.write_text(whole)

        monkeypatch.setattr("threading.Event.wait", moved)
        assert len(read(folder).cells) == 3
        assert len(waits) == 1

    def test_a_file_beyond_any_size_is_not_read(self, folder: Path) -> None:
        os.truncate(folder / RECORDS, 3 * 1024**4)
        with pytest.raises(RunFolderError, match=r"records\.jsonl cannot be read: it has 3298534883328 bytes, but"):
            read(folder)
