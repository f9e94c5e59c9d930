"""Confusion matrices: a panel a row, counts added up over seeds, and nothing of records that have none."""

from typing import Any

import pytest

from bench.record.record import Record
from bench.report.charts import chart_frames, figure
from bench.report.charts.plots import confusion
from bench.report.charts.rows import rows
from bench.report.charts.study_figures import _specs
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.drawn import HOSTILE, colours, compiled, texts
from tests.report.page.conftest import significances_of
from tests.report.predicted import RUN, results

TEXTS = ((40, 9, 1), (7, 43, 0))


def with_matrix(record: Record, matrix: tuple[tuple[int, ...], ...] = TEXTS, labels: Any = ("n", "p")) -> Record:
    content = record.model_dump()
    counts = dict(zip(labels, map(sum, matrix), strict=True))
    content["quality"] |= {"label_counts": counts, "confusion": {"labels": labels, "texts": matrix}}
    return Record.model_validate(content)


def frame(*records: Record) -> list[dict[str, Any]]:
    found = results(RUN, *records)
    return [line for row in rows(found, significances_of(found)) for line in chart_frames.confusion(row)]


def test_seeds_add_up_and_repeats_do_not(make_record: MakeRecord) -> None:
    cells = [{"seed": 0}, {"seed": 1}, {"seed": 1, "repeat": 1}]
    found = frame(*(with_matrix(make_record(**cell)) for cell in cells))
    assert [(one["label"], one["predicted"], one["texts"]) for one in found] == [
        ("n", "n", 80), ("n", "p", 18), ("n", None, 2), ("p", "n", 14), ("p", "p", 86), ("p", None, 0),
    ]  # fmt: skip
    assert {one["seeds"] for one in found} == {2}


def test_a_panel_a_row_with_its_counts(make_record: MakeRecord, capfd: pytest.CaptureFixture[str]) -> None:
    spec = known(confusion.spec(frame(*(with_matrix(make_record(method=name)) for name in ("LoRA", "BitFit")))))
    compiled(spec, capfd)
    assert {"RoBERTa, LoRA", "RoBERTa, BitFit", "True", "Predicted", "40", "43", "–"} <= set(texts(figure.svg(spec)))
    assert "n = 1 seed a row." in spec["usermeta"]["caption"]
    assert confusion.NO_CLASS in spec["usermeta"]["caption"]
    assert spec["usermeta"]["title"] == "Confusion matrices on IMDb"
    assert colours({key: value for key, value in spec.items() if key != "spec"}) == []


def test_where_every_answer_names_a_class_there_is_no_such_column(make_record: MakeRecord) -> None:
    spec = known(confusion.spec(frame(with_matrix(make_record(), ((41, 9, 0), (7, 43, 0))))))
    assert {value["x"] for value in spec["data"]["values"]} == {"n", "p"}
    assert confusion.NO_CLASS not in spec["usermeta"]["caption"]


def test_a_figure_a_dataset_and_none_of_older_records(make_record: MakeRecord) -> None:
    records = [with_matrix(make_record()), with_matrix(make_record(dataset="SST-5")), make_record(dataset="Old")]
    found = results(RUN, *records)
    drawn = [
        name for name, spec in _specs(rows(found, significances_of(found))) if name.startswith("confusion") and spec
    ]
    assert (drawn, frame(make_record(), make_record("oom", seed=1))) == (["confusion_1", "confusion_2"], [])
    assert confusion.spec([]) is None


def test_random_weights_have_no_matrix_worth_drawing(make_record: MakeRecord) -> None:
    assert frame(make_record(weights="random")) == []


@pytest.mark.parametrize("names", [HOSTILE[:14], HOSTILE[14:]], ids=["first", "rest"])
def test_hostile_names(names: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    spec = confusion.spec(
        [{"dataset": name, "model": name, "method": name, "label": name, "predicted": name, "texts": 3, "seeds": 1}
         for name in names]
    )  # fmt: skip
    assert spec is not None
    compiled(spec, capfd)
