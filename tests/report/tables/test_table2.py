"""Table 2: quality over seeds."""

import json
from typing import Any

import pytest

from bench.record.record import Record
from bench.report.analysis.f1_significance import F1Significance
from bench.report.analysis.stacked import reader
from bench.report.results.measured import Measured
from bench.report.tables.footnotes import AT_BASELINE
from bench.report.tables.merged import merged
from bench.report.tables.table2 import build
from bench.text.tables.csv_text import to_csv
from bench.text.tables.fragment import to_html
from bench.text.tables.latex import to_latex
from bench.text.tables.markdown import to_markdown
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.predicted import TRUTH, Cells, flipped
from tests.report.shown import cells, notes, texts, unexplained


def scored(make_record: MakeRecord, **given: Any) -> Record:
    """A record whose scores all differ."""
    scores = {name: given.pop(name) for name in list(given) if name in ("accuracy", "macro_precision", "macro_recall")}
    content = make_record(**given).model_dump()
    if content["quality"] is not None:
        own = {"accuracy": 0.81, "macro_precision": 0.72, "macro_recall": 0.63, "weighted_f1": 0.54}
        content["quality"] |= own | scores
    return Record.model_validate(content)


def test_scores_and_their_heads(make_record: MakeRecord) -> None:
    table = known(build("Run", [scored(make_record, macro_f1=0.45)]))
    assert texts(table) == ["IMDb", "RoBERTa", "LoRA", "1", "0.8100", "0.7200", "0.6300", "0.4500"]
    assert [header.replace("\n", " ") for header in table.headers[3:]] == [
        "Seeds", "Accuracy", "Precision (macro)", "Recall (macro)", "F1 (macro)",
    ]  # fmt: skip
    assert table.frame["weighted_f1_mean"][0] == 0.54
    assert "throughput" not in table.caption.lower()
    assert "the csv has the F1 weighted by texts too" in table.caption


def test_mean_and_deviation(make_record: MakeRecord) -> None:
    table = known(build("Run", [scored(make_record, seed=seed, accuracy=0.8 + seed / 10) for seed in (0, 1)]))
    assert (cells(table)["accuracy"], cells(table)["seeds"]) == (("0.8500 ± 0.0707", ()), ("2", ()))
    assert table.frame["accuracy_std"][0] == pytest.approx(0.005**0.5)


def test_interval_and_rank_are_those_of_the_judge(make_record: MakeRecord, tmp_path: Any) -> None:
    made = Cells(make_record, tmp_path)
    rows = (("A", list(TRUTH)), ("B", flipped(*range(12))))
    measured: list[Measured] = [made.measured(one, method=name, seed=seed) for seed in (0, 1) for name, one in rows]
    records = [record for record, _ in measured]
    table = known(build("Run", records, F1Significance(records, reader(measured))))
    assert (table.ranks, list(table.frame["macro_f1_mark"])) == ({(0, "macro_f1"): "best"}, ["best", ""])
    assert (table.frame["macro_f1_low"][0], table.frame["macro_f1_high"][0]) == (1, 1)
    assert "predictions are missing" not in table.caption
    assert "predictions are missing" in known(build("Run", records)).caption
    one_seed = known(build("Run", records[:2], F1Significance(records[:2], reader(measured))))
    assert one_seed.ranks == {}


def test_marks(make_record: MakeRecord) -> None:
    llm = scored(make_record, model="LLM", kind="causal", generated_f1=0.8)
    random = make_record(model="R", weights="random")
    collapsed = scored(make_record, method="C", macro_f1=1 / 3)
    table = known(build("Run", [llm, random, collapsed, make_record("oom", method="F")]))
    assert (texts(table, 1)[4:], texts(table, 3)[3:]) == (["–"] * 4, ["oom in train", *["–"] * 4])
    assert unexplained(table) == []
    assert sorted(notes(table).values()) == [
        "F1 by label likelihood (length normalisation: none)",
        AT_BASELINE, "oom in train: out of memory",
        "random weights: the same architecture, not pretrained", "the model has random weights",
    ]  # fmt: skip


def test_a_record_without_quality_says_so_once(make_record: MakeRecord) -> None:
    table = known(build("Run", [make_record(), make_record(method="M", fields={"quality": None})]))
    assert notes(table) == {"a": "the record gives no quality and no reason"}


def test_nothing_to_show(make_record: MakeRecord) -> None:
    assert build("Run", [make_record("oom"), make_record(method="R", weights="random")]) is None


def test_small_scores_keep_four_digits(make_record: MakeRecord) -> None:
    assert cells(known(build("Run", [scored(make_record, accuracy=0.00004)])))["accuracy"][0] == "0.0000"


def test_repeats_are_told_from_seeds(make_record: MakeRecord) -> None:
    records = [scored(make_record, macro_f1=0.45, repeat=repeat) for repeat in (0, 1)]
    table = known(build("Run", [*records, make_record("oom", repeat=2)]))
    assert cells(table)["seeds"] == ("1 (2 measured)", ())
    assert list(table.frame[["seeds", "measurements", "failed_measurements"]].iloc[0]) == [1, 2, 1]
    assert notes(table)["a"] == "1 of 3 measurements failed: oom in train: out of memory"
    assert "(predicted numbers: over the n seeds)" in table.caption


def by_class(make_record: MakeRecord, f1: dict[str, float], **given: Any) -> Record:
    """A record with a confusion matrix of these classes, four texts each and all of them right, with these F1."""
    content = make_record(**given).model_dump()
    labels = list(f1)
    texts = [[4 if place == at else 0 for place in range(len(labels) + 1)] for at in range(len(labels))]
    content["quality"] |= {
        "f1_by_label": f1, "label_counts": dict.fromkeys(labels, 4), "confusion": {"labels": labels, "texts": texts},
    }  # fmt: skip
    return Record.model_validate(content)


def test_f1_by_class_is_a_grid_of_its_own_where_there_is_a_confusion_matrix(make_record: MakeRecord) -> None:
    records = [by_class(make_record, {"sad": 0.5, "glad|": 0.7 + seed / 10}, seed=seed) for seed in (0, 1)]
    records.append(by_class(make_record, {"sad": 0.25, "other": 1.0}, dataset="Second"))
    table = known(build("Run", records))
    assert [(heading, [column.header for column in columns]) for heading, columns in table.grids] == [
        ("", ["Seeds", "Accuracy", "Precision\n(macro)", "Recall\n(macro)", "F1\n(macro)"]),
        ("F1 by class", ["sad", "glad|", "other"]),
    ]
    assert texts(table)[-3:] == ["0.5000 ± 0.0000", "0.7500 ± 0.0707", "–"]
    assert (texts(table, 1)[-3:], unexplained(table)) == (["0.2500", "–", "1.0000"], [])
    assert sorted(notes(table).values()) == ["IMDb has no class of this name", "Second has no class of this name"]
    assert table.frame["f1_class_glad|_mean"][0] == pytest.approx(0.75)
    for text in (to_markdown(table), to_latex(table), to_html(table)):
        assert "F1 by class" in text
        assert "0.7500" in text
    assert "glad&#124;" in to_markdown(table)
    assert "f1_class_other_mean" in to_csv(table).split("\n")[0]


def test_the_order_of_classes_is_that_of_the_matrix_after_an_archive_too(make_record: MakeRecord) -> None:
    """An archive sorts the names of every object."""
    record = by_class(make_record, {"sad": 0.5, "glad": 0.7})
    archived = Record.model_validate_json(json.dumps(record.model_dump(mode="json"), sort_keys=True))
    both = [build("Run", [one]) for one in (record, archived)]
    assert [list(table.headers[-2:]) for table in both if table] == [["sad", "glad"]] * 2


def test_of_many_classes_the_first_are_shown_and_the_csv_has_all(make_record: MakeRecord) -> None:
    table = known(build("Run", [by_class(make_record, {f"class {at}": 0.5 for at in range(30)})]))
    headings = ["", *(f"F1 by class, {start} to {start + 7}" for start in (1, 9, 17))]
    assert [heading for heading, _ in table.grids] == headings
    assert "Of 30 classes the first 24 are shown; the csv has all." in table.caption
    assert table.frame["f1_class_class 29_mean"][0] == 0.5


def test_runs_with_and_without_a_matrix_stand_in_one_table(make_record: MakeRecord) -> None:
    new = known(build("Run", [by_class(make_record, {"n": 0.5, "p": 0.7})]))
    old = known(build("Run", [make_record()]))
    assert old.grids == ()
    for tables in ((new, old), (old, new)):
        found = merged(list(zip("AB", tables, strict=True)))
        assert ([heading for heading, _ in found.grids], unexplained(found)) == (["", "F1 by class"], [])


def test_classes_that_look_alike_have_columns_of_their_own(make_record: MakeRecord) -> None:
    table = known(build("Run", [by_class(make_record, {"a\u202e": 0.5, "a": 0.25, "a#2": 0.75})]))
    means = [name for name in table.frame.columns if name.startswith("f1_class_") and name.endswith("_mean")]
    assert len(set(means)) == 3
    assert sorted(table.frame[name][0] for name in means) == [0.25, 0.5, 0.75]
    assert all(name.isprintable() for name in table.frame.columns)
