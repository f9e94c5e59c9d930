"""Table 1: what was read of each dataset, and why it is less than all of it."""

from typing import Any

from bench.record.record import Record
from bench.report.tables.table1 import build
from tests.report.conftest import MakeRecord
from tests.report.shown import cells, notes, texts, unexplained

ROWS = {"train": 3257, "validation": 374, "test": 1421}


def read(make_record: MakeRecord, settings: dict[str, Any] | None = None, **given: Any) -> Record:
    """A record that read three splits.

    Args:
        make_record: the factory.
        settings: of its data.
        given: fields of what was read, beside those of the factory.
    """
    names = ("rows", "sha256", "labels", "validation_carved", "tokens_per_sample", "truncated_fraction")
    own = {"rows": ROWS} | {name: given.pop(name) for name in names if name in given}
    content = make_record(**given).model_dump()
    content["data"] |= own
    content["cell"]["data"] |= settings or {}
    content["cell_id"] = str(sorted((settings or {}).items())) + content["cell_id"]
    return Record.model_validate(content)


def test_one_row_a_dataset(make_record: MakeRecord) -> None:
    of_two = [read(make_record, dataset=name, method=method, seed=seed)
              for name in ("IMDb", "SST-5") for method in "AB" for seed in (0, 1)]  # fmt: skip
    table = build("Run", of_two)
    assert [texts(table, at) for at in (0, 1)] == [
        ["IMDb", "3257", "374", "1421", "2", "20.0", "0.0"], ["SST-5", "3257", "374", "1421", "2", "20.0", "0.0"],
    ]  # fmt: skip
    assert [header.replace("\n", " ") for header in table.headers] == [
        "Dataset", "Train samples", "Validation samples", "Test samples", "Classes", "Mean tokens", "Truncated (%)",
    ]  # fmt: skip
    assert notes(table) == {}
    row = table.frame.iloc[0]
    assert (row["train_samples"], row["classes"], row["evaluated_split"], row["sha256"]) == (3257, 2, "test", "d")
    assert "max length in tokens 256; evaluated split test; split seed 0;" in table.caption
    assert "commit 0123456789ab" in table.caption


def test_a_sample_says_so(make_record: MakeRecord) -> None:
    settings = {"max_train_samples": 3257, "max_evaluation_samples": 1421}
    table = build("Run", [read(make_record, settings, validation_carved=True)])
    found, known = cells(table), notes(table)
    sample = "a stratified sample where the split has more"
    assert [known[mark] for mark in found["train_samples"][1]] == [f"at most data.max_train_samples = 3257: {sample}"]
    assert [known[mark] for mark in found["test_samples"][1]] == [
        f"at most data.max_evaluation_samples = 1421: {sample}"
    ]
    assert [known[mark] for mark in found["validation_samples"][1]] == [
        "carved from train: data.validation_fraction = 0.1"
    ]


def test_a_limit_above_the_split_is_no_sample(make_record: MakeRecord) -> None:
    assert notes(build("Run", [read(make_record, {"max_train_samples": 4000, "max_evaluation_samples": 4000})])) == {}


def test_other_samples_are_other_rows(make_record: MakeRecord) -> None:
    small = read(make_record, {"max_train_samples": 100}, method="B", rows=ROWS | {"train": 100}, sha256="e" * 64)
    table = build("Run", [read(make_record), small])
    assert [texts(table, at)[:2] for at in (0, 1)] == [["IMDb", "3257"], ["IMDb", "100"]]
    apart = notes(table)[cells(table, 1)["dataset"][1][0]]
    assert apart == (
        "differs from the row of the same name in: data.max_train_samples = 100, "
        "rows.train = 100, sha256 = eeeeeeeeeeee"
    )


def test_what_tokenizers_make_of_the_texts(make_record: MakeRecord) -> None:
    long: dict[str, Any] = {"tokens_per_sample": 290.44, "truncated_fraction": 0.0004}
    table = build("Run", [read(make_record), read(make_record, model="LLM", kind="causal", max_length=512, **long)])
    found = cells(table)
    assert (found["tokens_per_sample"][0], found["truncated_percent"][0]) == ("20.0 to 290.4", "0.0 to 0.04")
    (mark,) = found["tokens_per_sample"][1]
    assert notes(table)[mark] == (
        "mean tokens, truncated: RoBERTa (max length 256, test) 20.0, 0.0 %; LLM (max length 512, test) 290.4, 0.04 %"
    )
    assert list(table.frame.iloc[0][["tokens_per_sample_min", "tokens_per_sample_max"]]) == [20.0, 290.44]


def test_sources_are_marked(make_record: MakeRecord) -> None:
    records = [read(make_record, dataset="S", synthetic=True), read(make_record, dataset="P", dataset_kind="profile")]
    table = build("Run", records)
    assert [notes(table)[table.shown()[at][0][1][0]].split(":")[0] for at in (0, 1)] == [
        "synthetic dataset", "filler texts with this dataset's recorded lengths",
    ]  # fmt: skip
    assert list(table.frame["synthetic"]) == [True, True]


def test_a_study_that_evaluates_on_validation(make_record: MakeRecord) -> None:
    table = build("Run", [read(make_record, {"evaluate_split": "validation"})])
    (mark,) = cells(table)["validation_samples"][1]
    assert notes(table)[mark] == "quality and inference are measured on this split"


def test_cells_that_failed_before_they_read_leave_it_to_the_others(make_record: MakeRecord) -> None:
    table = build("Run", [make_record("oom"), read(make_record, method="B")])
    assert len(table.frame) == 1
    assert texts(table)[1] == "3257"


def test_failed_cells_only(make_record: MakeRecord) -> None:
    table = build("Run", [make_record("oom", seed=0), make_record("timeout", seed=1, message="too slow")])
    assert (texts(table), unexplained(table)) == (["IMDb", *["–"] * 6], [])
    assert notes(table) == {"a": "2 of 2 cells failed: oom in train: out of memory; timeout in train: too slow"}


def test_a_record_without_data(make_record: MakeRecord) -> None:
    said = make_record(fields={"data": None, "unknown": {"data": "an old\nrecord"}})
    assert notes(build("Run", [said])) == {"a": "an old record"}
    silent = build("Run", [make_record(fields={"data": None})])
    assert (notes(silent), unexplained(silent)) == ({"a": "the record gives no data and no reason"}, [])


def test_a_split_that_is_missing(make_record: MakeRecord) -> None:
    table = build("Run", [read(make_record, rows={"test": 7})])
    assert texts(table)[1:4] == ["–", "–", "7"]
    assert notes(table)["a"] == "the record gives no data.rows.train and no reason"
    assert unexplained(table) == []
