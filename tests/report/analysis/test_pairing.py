"""Which rows are compared: those that differ in their method alone."""

from typing import Any

import pytest

from bench.record.record import Record
from bench.report.analysis.pairing import Pairing, find
from bench.report.results.measured import Evidence, Measured
from bench.study.cell import Cell
from tests.report.conftest import MakeRecord
from tests.report.predicted import study
from tests.report.tuned import tuned, tuning

BOTH = ("LoRA", "BitFit")


def cells(*records: Record) -> list[Measured]:
    return [Measured(record, Evidence("")) for record in records]


def with_train(record: Record, **settings: Any) -> Record:
    cell = record.cell.model_copy(update={"train": record.cell.train.model_copy(update=settings)})
    return record.model_copy(update={"cell": Cell.model_validate(cell.model_dump()), "cell_id": cell.id})


def said(pairings: list[Pairing]) -> list[tuple[list[str], list[str], str]]:
    """By pairing: datasets and seeds of both rows, and the reason."""
    return [
        (*([f"{r.cell.dataset.name}/{r.cell.seed}" for r, _ in row] for row in (p.first, p.second)), p.reason)  # type: ignore[misc]
        for p in pairings
    ]


def test_a_study_without_comparisons(make_record: MakeRecord) -> None:
    assert find({"name": "s", "title": "", "methods": {}}, cells(make_record())) == []
    assert find(study(), cells(make_record())) == []


def test_rows_of_each_dataset_and_model(make_record: MakeRecord) -> None:
    records = [
        make_record(method=method, dataset=dataset, seed=seed)
        for seed in (0, 1)
        for dataset in ("A", "B")
        for method in (*BOTH, "other")
    ]
    found = find(study(("BitFit", "LoRA"), ("LoRA", "other")), cells(*records))
    assert [pairing.names for pairing in found] == [("BitFit", "LoRA")] * 2 + [("LoRA", "other")] * 2
    assert said(found) == [(["A/0", "A/1"], ["A/0", "A/1"], ""), (["B/0", "B/1"], ["B/0", "B/1"], "")] * 2
    assert [record.cell.method.name for record, _ in found[0].first] == ["BitFit", "BitFit"]
    assert [record.cell.model.name for pairing in found for record, _ in pairing.first] == ["RoBERTa"] * 8


def test_the_other_model_and_the_other_dataset_are_no_partners(make_record: MakeRecord) -> None:
    here, there = make_record(method="LoRA"), make_record(method="BitFit", model="M", dataset="B")
    assert said(find(study(BOTH), cells(here, there))) == [
        (["IMDb/0"], [], "BitFit has no measured cell here"),
        ([], ["B/0"], "LoRA has no measured cell here"),
    ]


def test_nothing_measured(make_record: MakeRecord) -> None:
    found = find(study(BOTH), cells(make_record(method="other")))
    assert said(found) == [([], [], "neither LoRA nor BitFit has a measured cell")]
    assert found[0].cell is None


def test_other_settings_are_no_partners(make_record: MakeRecord) -> None:
    records = [make_record(method="LoRA", max_length=128), make_record(method="BitFit", max_length=256)]
    assert [reason for *_, reason in said(find(study(BOTH), cells(*records)))] == [
        "BitFit was measured under other settings: data.max_length = 256 and not 128",
        "LoRA was measured under other settings: data.max_length = 128 and not 256",
    ]
    records = [with_train(make_record(method="LoRA"), epochs=9), make_record(method="BitFit")]
    assert [reason for *_, reason in said(find(study(BOTH), cells(*records)))] == [
        "BitFit was measured under other settings: train.epochs = 3 and not 9",
        "LoRA was measured under other settings: train.epochs = 9 and not 3",
    ]


def test_train_settings_of_a_method_s_own_belong_to_it(make_record: MakeRecord) -> None:
    records = [with_train(make_record(method="LoRA"), epochs=9, batch_size=4), make_record(method="BitFit")]
    (pairing,) = find(study(BOTH, methods={"LoRA": {"train": {"epochs": 9, "batch_size": 4}}}), cells(*records))
    assert (pairing.reason, len(pairing.first), len(pairing.second)) == ("", 1, 1)
    part = {"LoRA": {"train": {"epochs": 9}}}
    assert [reason for *_, reason in said(find(study(BOTH, methods=part), cells(*records)))] == [
        "BitFit was measured under other settings: train.batch_size = 16 and not 4",
        "LoRA was measured under other settings: train.batch_size = 4 and not 16",
    ]


def test_each_row_of_a_method_has_each_of_the_other(make_record: MakeRecord) -> None:
    records = [make_record(method=method, options={"rank": rank}) for method in BOTH for rank in (1, 2)]
    found = find(study(BOTH), cells(*records))
    assert [
        tuple(row[0][0].cell.method.options["rank"] for row in (one.first, one.second)) for one in found
    ] == [(1, 1), (1, 2), (2, 1), (2, 2)]  # fmt: skip


def test_a_row_with_and_one_without_a_partner(make_record: MakeRecord) -> None:
    records = [make_record(method="LoRA"), make_record(method="LoRA", max_length=8), make_record(method="BitFit")]
    assert said(find(study(BOTH), cells(*records))) == [
        (["IMDb/0"], ["IMDb/0"], ""),
        (["IMDb/0"], [], "BitFit was measured under other settings: data.max_length = 256 and not 8"),
    ]


def test_where_files_lie_and_what_labels_say_makes_no_other_row(make_record: MakeRecord) -> None:
    first, second = make_record(method="LoRA"), make_record(method="BitFit")
    cell = second.cell.model_dump()
    cell["dataset"] |= {"label": "Renamed", "files": {"test": "/elsewhere/test.jsonl"}}
    moved = second.model_copy(update={"cell": Cell.model_validate(cell)})
    (pairing,) = find(study(BOTH), cells(first, moved))
    assert pairing.reason == ""


@pytest.mark.parametrize("swapped", [False, True])
def test_seeds_that_both_measured(make_record: MakeRecord, swapped: bool) -> None:
    first = [make_record(method="LoRA", seed=0), make_record("oom", method="LoRA", seed=1),
             make_record(method="LoRA", seed=2)]  # fmt: skip
    second = [make_record(method="BitFit", seed=seed) for seed in (3, 2, 1)]
    names = BOTH[::-1] if swapped else BOTH
    (pairing,) = find(study(names), cells(*first, *second))
    pairs, left_out = pairing.seeds()
    assert [(a.cell.method.name, b.cell.method.name, a.cell.seed, b.cell.seed) for (a, _), (b, _) in pairs] == [
        (*names, 2, 2)
    ]
    assert left_out == [
        "seed 0: BitFit was not measured",
        "seed 1: LoRA stopped (oom in train)",
        "seed 3: LoRA was not measured",
    ]


def test_train_settings_that_a_search_chose_may_differ(make_record: MakeRecord) -> None:
    first, second = make_record(method="LoRA"), with_train(make_record(method="BitFit"), epochs=2)
    assert [pairing.reason for pairing in find(study(BOTH), cells(first, second))] != [""]
    searched = [tuned(one, tuning(0.5)) for one in (first, second)]
    assert said(find(study(BOTH), cells(*searched))) == [(["IMDb/0"], ["IMDb/0"], "")]
    shorter = with_train(second, warmup_fraction=0.5)
    assert find(study(BOTH), cells(searched[0], tuned(shorter, tuning(0.5))))[0].reason, "that was not searched"
