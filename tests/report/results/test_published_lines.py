"""Published tables in a report's archive: what was drawn of them is drawn again; hostile files do no harm."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.errors import NewerSchemaError, RunFolderError
from bench.report.published import Published, find, load
from bench.report.results.published_lines import dump, parse
from bench.report.results.published_rows import used
from bench.report.tables.published_table import build
from tests.report.conftest import MakeRecord
from tests.report.predicted import results, study

NAMES = {"dataset_name": "imdb", "model_name": "roberta-base"}
RUN = {"study": study(), "command": "", "written_at": "", "cell_ids": []}
WHERE = Path("published.json")


@pytest.fixture
def cut(make_record: MakeRecord) -> tuple[Published, ...]:
    records = (make_record(**NAMES, method_name=name) for name in ("lora", "moe", "other"))
    return used(results(RUN, *records), [load(find("paper"))])


def test_the_same_table_is_drawn_again(cut: tuple[Published, ...], make_record: MakeRecord) -> None:
    run = results(RUN, make_record(**NAMES, method_name="lora"), make_record(**NAMES, method_name="moe"))
    text = dump(cut)
    again = parse(text, WHERE)
    assert dump(again) == dump(used(run, again)) == text
    before, after = build(run.runs[0], [load(find("paper"))]), build(run.runs[0], again)
    assert before is not None
    assert after is not None
    assert after.frame.equals(before.frame)
    assert (after.caption, after.footnotes, after.marks) == (before.caption, before.footnotes, before.marks)
    assert json.loads(text)["published"][0]["tables"][0]["rows"][0]["numbers"]["total_params_million"] == "125.53"


def first_row(content: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = content["published"][0]["tables"][0]["rows"][0]
    return row


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: first_row(content).update({key: value})


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("schema_version"),
        lambda content: content.pop("published"),
        lambda content: content.update(published=None),
        lambda content: content["published"][0].update(title="x" * 2001),
        lambda content: content["published"][0].update(more=1),
        lambda content: content["published"][0].update(title="\ud800"),
        put("line", 0),
        put("printed", ["a", "b"]),
        put("named", ["imdb", None, None]),
        put("numbers", {"gflop": "1"}),
        put("numbers", {"gflops": "1e999"}),
        put("numbers", {"gflops": "-1"}),
        put("numbers", {"gflops": "NaN"}),
        put("numbers", {"gflops": 1.0}),
        put("numbers", {"f1": "1.5"}),
        put("numbers", {"f1": "0.5", "f1_percent": "50"}),
        put("stated", {"sequence_length": -1}),
        put("stated", {"device": "x"}),
    ],
)
def test_a_damaged_file_is_refused(cut: tuple[Published, ...], change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(dump(cut))
    parse(json.dumps(content), WHERE)
    change(content)
    with pytest.raises(RunFolderError, match=r"^published\.json cannot be read: \w+$"):
        parse(json.dumps(content), WHERE)


@pytest.mark.parametrize("text", ["", "null", "[]", "{", "1" * 5000, "[" * 100_000, '{"schema_version": NaN}'])
def test_what_is_no_file_of_ours_is_refused(text: str) -> None:
    with pytest.raises(RunFolderError, match=r"^published\.json cannot be read"):
        parse(text, WHERE)


def test_a_newer_file_is_refused() -> None:
    with pytest.raises(NewerSchemaError, match="upgrade tunebench"):
        parse('{"schema_version": 2}', WHERE)


def test_text_of_others_stays_on_its_line(cut: tuple[Published, ...]) -> None:
    evil = "a\x1b[31m\n <b>"
    text = dump([replace(cut[0], title=evil, source=evil)])
    (published,) = parse(text, WHERE)
    assert published.title == published.source == "a [31m <b>"
