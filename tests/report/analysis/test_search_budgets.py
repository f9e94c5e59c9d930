"""Rows of one dataset and model that were tuned on unequal budgets."""

from typing import Any

from bench.record.record import Record
from bench.report.analysis.search_budgets import unequal
from tests.report.conftest import MakeRecord
from tests.report.tuned import tuned, tuning

IN_SECONDS: dict[str, Any] = {"budget_trials": None, "budget_seconds": 600.0}


def as_baseline(record: Record) -> Record:
    cell = record.cell.model_copy(update={"model": record.cell.model.model_copy(update={"kind": "none"})})
    return record.model_copy(update={"cell": cell})


def without_training(record: Record) -> Record:
    content = record.model_dump()
    content["parameters"]["trainable_params"] = 0
    return Record.model_validate(content)


def test_equal_budgets_are_not_mentioned(make_record: MakeRecord) -> None:
    records = [make_record(method=method, seed=seed) for method in ("A", "B") for seed in (0, 1)]
    assert unequal(records) == []
    assert unequal([tuned(record, tuning(0.5, 0.6)) for record in records]) == []
    assert unequal([]) == []


def test_each_budget_is_named(make_record: MakeRecord) -> None:
    records = [
        tuned(make_record(method="A"), tuning(0.5, 0.6)), tuned(make_record(method="B"), tuning(0.5, None)),
        tuned(make_record(method="C"), tuning(0.5)), make_record(method="D"),
    ]  # fmt: skip
    assert unequal(records) == ["IMDb, RoBERTa: unequal budgets of tuning: A, B: 2 trials; C: 1 trial; D: not tuned"]


def test_each_dataset_and_model_alone(make_record: MakeRecord) -> None:
    records = [tuned(make_record(method="A"), tuning(0.5)), make_record(method="A", dataset="SST")]
    assert unequal(records) == []
    assert unequal([*records, make_record(method="B", dataset="SST", model="M"), make_record(method="C")]) == [
        "IMDb, RoBERTa: unequal budgets of tuning: A: 1 trial; C: not tuned"
    ]


def test_equal_times_are_equal_whatever_the_number_of_trials(make_record: MakeRecord) -> None:
    found = [tuning(0.5, **IN_SECONDS), tuning(0.5, 0.6, **IN_SECONDS)]
    records = [tuned(make_record(method=name), one) for name, one in zip("AB", found, strict=True)]
    assert unequal(records) == []
    longer = tuned(make_record(method="C"), tuning(0.5, **IN_SECONDS | {"budget_seconds": 900.0}))
    assert unequal([*records, longer]) == ["IMDb, RoBERTa: unequal budgets of tuning: A, B: 600 s; C: 900 s"]


def test_methods_that_train_nothing_are_excepted(make_record: MakeRecord) -> None:
    others = [as_baseline(make_record(method="B")), without_training(make_record(method="C"))]
    assert unequal([tuned(make_record(method="A"), tuning(0.5)), *others]) == []
