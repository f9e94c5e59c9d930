"""Table 4: variants of one method, and what tells them apart."""

from typing import Any

from bench.record.record import Record
from bench.report.tables.table4 import NO_OPTION, build
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.shown import cells, notes, texts, unexplained


def variant(make_record: MakeRecord, name: str, plugin: str = "experts", **given: Any) -> Record:
    content = make_record(method=name.title(), method_name=name, **given).model_dump()
    content["cell"]["method"]["plugin"] = plugin
    content["cell_id"] = f"{plugin}{content['cell_id']}"
    return Record.model_validate(content)


def pair(make_record: MakeRecord, **given: Any) -> list[Record]:
    """Two variants that differ in one option, two seeds each, and a row of another plugin."""
    options = {"gated": {"expert": "gated", "count": 4}, "plain": {"expert": "plain", "count": 4}}
    scores = {"gated": 0.9, "plain": 0.8}
    found = [
        variant(make_record, name, options=of, seed=seed, macro_f1=scores[name] + seed / 100, **given)
        for name, of in options.items()
        for seed in (0, 1)
    ]
    return [*found, variant(make_record, "other", "alone", macro_f1=0.99, **given)]


def test_variants_and_the_options_that_differ(make_record: MakeRecord) -> None:
    table = known(build("Run", pair(make_record)))
    assert [texts(table, at)[:6] for at in (0, 1)] == [
        ["IMDb", "RoBERTa", "experts", "Gated", "expert = gated", "2"],
        ["IMDb", "RoBERTa", "experts", "Plain", "expert = plain", "2"],
    ]
    assert list(table.headers[:5]) == ["Dataset", "Model", "Method", "Variant", "Options\nthat differ"]
    assert table.runs() == [(2, 2, 2), (0, 0, 0)]
    assert list(table.frame.columns[:4]) == ["dataset", "model", "plugin", "method"]
    assert cells(table)["macro_f1"] == ("0.9050 ± 0.0071", ())


def test_the_best_is_the_best_of_the_variants(make_record: MakeRecord) -> None:
    """Another method of the same dataset and model is no matter."""
    table = known(build("Run", pair(make_record)))
    assert (table.ranks, list(table.frame["macro_f1_mark"])) == ({(0, "macro_f1"): "best"}, ["best", ""])
    assert "Bold F1: best of the variants of one method on one model and dataset" in table.caption


def test_one_group_for_each_dataset_model_and_method(make_record: MakeRecord) -> None:
    records = [*pair(make_record), *pair(make_record, dataset="SST-5")]
    table = known(build("Run", [*records, variant(make_record, "gated", dataset="Third")]))
    assert list(table.frame["dataset"]) == ["IMDb", "IMDb", "SST-5", "SST-5"]


def test_train_settings_tell_variants_apart_too(make_record: MakeRecord) -> None:
    one, other = variant(make_record, "a"), variant(make_record, "b").model_dump()
    other["cell"]["train"]["batch_size"] = 8
    table = known(build("Run", [one, Record.model_validate(other)]))
    assert [texts(table, at)[4] for at in (0, 1)] == ["train.batch_size = 16", "train.batch_size = 8"]


def test_variants_that_differ_in_nothing(make_record: MakeRecord) -> None:
    table = known(build("Run", [variant(make_record, "a"), variant(make_record, "b")]))
    assert (cells(table)["options"][0], unexplained(table)) == ("–", [])
    assert NO_OPTION in notes(table).values()


def test_options_are_bounded_and_on_one_line(make_record: MakeRecord) -> None:
    records = [variant(make_record, name, options={"text": f"{name}\n\x1b[31m{'x' * 9000}"}) for name in "ab"]
    options = cells(known(build("Run", records)))["options"][0]
    assert options.startswith("text = a [31mxxx")
    assert options.isprintable()
    assert len(options) <= 160


def test_settings_alone_make_no_variant(make_record: MakeRecord) -> None:
    """Rows of one name under other settings are no variants, nor are methods of other plugins."""
    same = [variant(make_record, "a", max_length=length) for length in (64, 128)]
    assert build("Run", [*same, variant(make_record, "b", "alone")]) is None


def test_nothing_to_show(make_record: MakeRecord) -> None:
    assert build("Run", [variant(make_record, name, status="oom") for name in "ab"]) is None
