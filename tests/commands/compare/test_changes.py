"""What changed, each thing once."""

from typing import Any

import pytest

from bench.commands.compare.changes import ABSENT, Change, find, unseen
from bench.record.record import Record
from tests.commands.compare.support import changed, changed_code, pairs, side
from tests.known import known
from tests.report.conftest import MakeRecord


def machine(record: Record, **fields: Any) -> Record:
    return changed(record, machine=known(record.machine).model_dump() | fields)


def between(a: Record | list[Record], b: Record | list[Record], **study: Any) -> list[Change]:
    ours, theirs = (one if isinstance(one, list) else [one] for one in (a, b))
    return find(side(*ours), side(*theirs, **study), pairs(ours, theirs))


def test_nothing(make_record: MakeRecord) -> None:
    assert between(make_record(), make_record()) == []


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"commit": "fed"}, Change("code", "commit", "0123456789abcdef", "fed", 1)),
        ({"dirty": True}, Change("code", "dirty", False, True, 1)),
        ({"cpu": "other"}, Change("machine", "cpu", "AMD EPYC 7B13", "other", 1)),
        ({"driver": "580"}, Change("machine", "driver", "570.1", "580", 1)),
        ({"gpu": None}, Change("machine", "gpu", "NVIDIA H200", None, 1)),
        ({"threads": 1}, Change("machine", "threads", 2, 1, 1)),
        ({"memory_bytes": 1}, Change("machine", "memory_bytes", 8_000_000_000, 1, 1)),
        ({"python": "3.12"}, Change("machine", "python", "3.11.9", "3.12", 1)),
    ],
)
def test_machine_and_code(make_record: MakeRecord, fields: dict[str, Any], change: Change) -> None:
    record = make_record(device="cuda")
    assert between(record, machine(record, **fields)) == [change]


def test_packages(make_record: MakeRecord) -> None:
    a = machine(make_record(), packages={"torch": "2.9.0", "peft": "0.18.0", "gone": "1"})
    b = machine(make_record(), packages={"torch": "2.10.0", "peft": "0.18.0", "new": "2"})
    assert between(a, b) == [
        Change("packages", "torch", "2.9.0", "2.10.0", 1),
        Change("packages", "gone", "1", ABSENT, 1),
        Change("packages", "new", ABSENT, "2", 1),
    ]


def test_a_change_is_said_once_with_the_number_of_its_cells(make_record: MakeRecord) -> None:
    a = [make_record(seed=seed) for seed in (0, 1, 2)]
    b = [machine(a[0], commit="x"), machine(a[1], commit="x"), machine(a[2], commit="y")]
    before = "0123456789abcdef"
    assert between(a, b) == [Change("code", "commit", before, "x", 2), Change("code", "commit", before, "y", 1)]


def test_precision_prompt_and_batch(make_record: MakeRecord) -> None:
    a = make_record(kind="causal", generated_f1=0.5)
    b = changed(a, precision="bf16", study_batch_size=32, prompt=known(a.prompt).model_dump() | {"sha256": "1"})
    assert between(a, b) == [
        Change("machine", "precision", "fp32", "bf16", 1),
        Change("prompt", "sha256", "0", "1", 1),
        Change("settings", "study_batch_size", None, 32, 1),
    ]


def test_data(make_record: MakeRecord) -> None:
    data = {"sha256": "d", "rows": {"train": 9, "test": 12}, "synthetic": False, "validation_carved": False,
            "labels": ("n", "p"), "tokens_per_sample": 9.0, "truncated_fraction": 0.0}  # fmt: skip
    a, b = changed(make_record(), data=data), changed(make_record(), data=data | {"sha256": "e", "rows": {"test": 12}})
    assert between(a, b) == [Change("data", "sha256", "d", "e", 1), Change("data", "rows.train", 9, ABSENT, 1)]


def test_code_of_the_method(make_record: MakeRecord) -> None:
    assert between(make_record(), changed_code(make_record())) == [Change("code", "method.sha256", "0", "1", 1)]


def test_what_a_cell_says_of_its_settings_the_study_does_not_say_again(make_record: MakeRecord) -> None:
    a, b = make_record(options={"rank": 8}), make_record(options={"rank": 16})
    ours = side(a, methods={"LoRA": {"options": {"rank": 8}}}, train={"epochs": 2})
    theirs = side(b, methods={"LoRA": {"options": {"rank": 16}}}, train={"epochs": 3})
    assert find(ours, theirs, pairs([a], [b])) == [
        Change("settings", "method.options.rank", 8, 16, 1),
        Change("study", "train.epochs", 2, 3, None),
    ]


def test_the_study(make_record: MakeRecord) -> None:
    grid = {"datasets": ["IMDb"], "models": ["RoBERTa"], "methods": ["LoRA"], "seeds": [0, 1]}
    methods = {"LoRA": {"options": {"rank": 8}}}
    found = between(make_record(), make_record(), grid=[grid], methods=methods)
    assert [(change.area, change.what, change.a) for change in found] == [
        ("study", "grid.1.seeds", [0]), ("study", "methods.LoRA", ABSENT),
    ]  # fmt: skip
    assert found[0].b == [0, 1]


def test_labels_and_paths_are_no_change(make_record: MakeRecord) -> None:
    record = make_record()
    cell = record.cell.model_dump()
    cell["dataset"] |= {"label": "other", "files": {"test": "/elsewhere/test.csv"}}
    cell["model"]["folder"] = cell["method"]["path"] = "/elsewhere"
    assert between(record, changed(record, cell=cell)) == []


def test_a_failed_cell_may_know_less(make_record: MakeRecord) -> None:
    assert between(make_record(), changed(make_record("oom"), machine=None)) == []


def test_one_is_not_true(make_record: MakeRecord) -> None:
    a, b = make_record(options={"gate": 1}), make_record(options={"gate": True})
    assert between(a, b) == [Change("settings", "method.options.gate", 1, True, 1)]


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ({"dirty": True}, {"dirty": True}, True), ({"dirty": True}, {"dirty": False}, False),
        ({"dirty": True}, {"dirty": True, "commit": "x"}, False), ({}, {}, False),
    ],
)  # fmt: skip
def test_code_that_changed_unseen(make_record: MakeRecord, a: dict[str, Any], b: dict[str, Any], wanted: bool) -> None:
    assert unseen(pairs([machine(make_record(), **a)], [machine(make_record(), **b)])) is wanted
