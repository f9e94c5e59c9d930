"""The audit stamp of a row, in a table and in its files."""

from typing import Any

from bench.report.tables.table import Table
from bench.report.tables.table3 import build
from bench.report.tables.validity import BEFORE, validity_of
from tests.report.conftest import MakeRecord

SUSPECT = {"name": "other load", "verdict": "suspect", "found": "others computed on 31 % of the cores"}
SWAP = {"name": "swap", "verdict": "suspect", "found": "8192 bytes came from swap"}
VALID = {"name": "warm-up", "verdict": "valid", "found": "it ended"}
UNKNOWN = {"name": "throttling", "verdict": "unknown", "found": "this machine does not tell"}
REASON = "other load: others computed on 31 % of the cores"


def checked(*checks: dict[str, str]) -> dict[str, Any]:
    return {"fields": {"checks": checks}}


def stamps(table: Table) -> list[tuple[str, tuple[str, ...]]]:
    return [row[-1] for row in table.shown()]


def note(table: Table, mark: str) -> str:
    return next(note.text for note in table.footnotes if note.mark == mark)


def test_valid_where_all_seeds_are(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(seed=seed, **checked(VALID, UNKNOWN)) for seed in (0, 1)])
    assert stamps(table) == [("valid", ())]
    assert list(table.frame[["stamp", "suspect_measurements", "stamp_reasons"]].iloc[0]) == ["valid", 0, ""]


def test_suspect_where_any_seed_is(make_record: MakeRecord) -> None:
    checks = [(VALID, SUSPECT), (VALID,), (SUSPECT, SWAP)]
    table = build("Run", [make_record(seed=seed, **checked(*of)) for seed, of in enumerate(checks)])
    assert stamps(table) == [("suspect (2 of 3)", ("a",))]
    reasons = f"{REASON} (seeds 0, 2); swap: 8192 bytes came from swap (seed 2)"
    assert note(table, "a") == f"suspect: {reasons}"
    assert list(table.frame[["stamp", "suspect_measurements", "stamp_reasons"]].iloc[0]) == ["suspect", 2, reasons]


def test_of_repeats_it_names_those_that_are_suspect(make_record: MakeRecord) -> None:
    of = [(0, 0, SUSPECT), (0, 1, VALID), (0, 2, SUSPECT), (1, 0, SUSPECT), (1, 1, VALID)]
    records = []
    for seed, repeat, check in of:
        record = make_record(seed=seed, **checked(check))
        records.append(record.model_copy(update={"cell": record.cell.model_copy(update={"repeat": repeat})}))
    assert validity_of(records).reasons == (f"{REASON} (seeds 0 (repeat 0, 2), 1 (repeat 0))",)


def test_suspect_with_all_seeds(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(seed=seed, **checked(SUSPECT)) for seed in (0, 1)])
    assert (stamps(table), note(table, "a")) == ([("suspect", ("a",))], f"suspect: {REASON}")


def test_rows_of_before_there_were_checks_share_a_footnote(make_record: MakeRecord) -> None:
    table = build("Run", [make_record(dataset=name, **checked()) for name in ("A", "B")])
    assert stamps(table) == [("–", ("a",)), ("–", ("a",))]
    assert [note.text for note in table.footnotes if note.mark == "a"] == [BEFORE]
    assert list(table.frame["stamp"]) == ["unstamped"] * 2


def test_a_row_is_valid_only_with_all_its_seeds(make_record: MakeRecord) -> None:
    stamp = validity_of([make_record(seed=0, **checked(VALID)), make_record(seed=1, **checked())])
    assert (stamp.verdict, stamp.suspects, stamp.reasons) == ("unstamped", 0, (f"{BEFORE} (seed 1)",))
    stamp = validity_of([make_record(**checked(UNKNOWN))])
    assert stamp.reasons == ("unstamped: throttling: this machine does not tell",)


def test_a_row_that_failed_has_no_stamp(make_record: MakeRecord) -> None:
    table = build("Run", [make_record("oom")])
    assert (stamps(table), note(table, "a")) == ([("–", ("a",))], "oom in train: out of memory")
    assert list(table.frame["stamp"]) == [""]
