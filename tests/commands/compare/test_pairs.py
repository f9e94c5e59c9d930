"""Which cells are paired, and what is said of the others."""

from typing import Any

import pytest

from bench.commands.compare.pairs import Matching, match
from bench.record.record import Record
from tests.commands.compare.support import changed_code, side
from tests.report.conftest import MakeRecord


def pairs(matching: Matching, key: str = "rank") -> list[tuple[Any, Any]]:
    return [tuple(record.cell.method.options[key] for record in one.records) for one in matching.pairs]


def alone(matching: Matching) -> list[tuple[str, int, str]]:
    return [(one.side, one.record.cell.seed, one.reason) for one in matching.singles]


def ranked(make_record: MakeRecord, *ranks: int, seeds: tuple[int, ...] = (0,)) -> list[Record]:
    return [make_record(options={"rank": rank}, seed=seed) for rank in ranks for seed in seeds]


def test_the_same_cells_are_paired_in_the_order_of_a(make_record: MakeRecord) -> None:
    records = [make_record(method=method, seed=seed) for method in ("LoRA", "BitFit") for seed in (0, 1)]
    found = match(side(*records), side(*reversed(records)))
    assert [one.records for one in found.pairs] == [(record, record) for record in records]
    assert found.singles == ()
    assert [[one.a[0].cell.seed for one in row] for row in found.rows()] == [[0, 1], [0, 1]]


def test_changed_code_is_paired_by_names_and_seed(make_record: MakeRecord) -> None:
    before = [make_record(seed=seed) for seed in (0, 1)]
    after = [changed_code(record) for record in before]
    found = match(side(*before), side(*reversed(after)))
    assert [one.records for one in found.pairs] == list(zip(before, after, strict=True))
    assert len(found.rows()) == 1


def test_other_settings_of_the_same_names_are_paired_where_there_is_no_doubt(make_record: MakeRecord) -> None:
    found = match(side(*ranked(make_record, 8)), side(*ranked(make_record, 16)))
    assert pairs(found) == [(8, 16)]
    found = match(side(*ranked(make_record, 8, 16)), side(*ranked(make_record, 32, 16)))
    assert pairs(found) == [(8, 32), (16, 16)]


def test_rows_of_one_name_that_cannot_be_told_apart_are_not_paired(make_record: MakeRecord) -> None:
    a = [*ranked(make_record, 8), *ranked(make_record, 16, seeds=(0, 1))]
    found = match(side(*a), side(*ranked(make_record, 32, seeds=(0, 1))))
    assert found.pairs == ()
    reason = "not pairable: several cells have these names"
    # Seed 1 is there once on each side, and yet nobody knows whether 16 became 32.
    assert alone(found) == [(name, seed, reason) for name, seed in (("A", 0), ("A", 0), ("A", 1), ("B", 0), ("B", 1))]
    assert all(one.ambiguous for one in found.singles)


@pytest.mark.parametrize("counts", [(1, 2), (2, 1), (2, 2)])
def test_a_cell_that_is_there_twice_is_not_paired(make_record: MakeRecord, counts: tuple[int, int]) -> None:
    found = match(*(side(*(make_record() for _ in range(count))) for count in counts))
    assert found.pairs == ()
    assert len(found.singles) == sum(counts)
    assert all(one.ambiguous for one in found.singles)


def test_cells_of_one_side(make_record: MakeRecord) -> None:
    both, a, b = make_record(), make_record(seed=1), make_record(method="BitFit", seed=2)
    found = match(side(both, a), side(both.model_copy(), b))
    assert len(found.pairs) == 1
    assert alone(found) == [("A", 1, "only in A"), ("B", 2, "only in B")]
    assert not any(one.ambiguous for one in found.singles)


def test_a_cell_that_the_other_side_has_not_run_yet(make_record: MakeRecord) -> None:
    record, waiting = make_record(), make_record(seed=1)
    # Its id ends in another hash, as after a change of code.
    found = match(side(record, waiting), side(record, not_run=[changed_code(waiting).cell_id]))
    assert alone(found) == [("A", 1, "not run yet in B")]


def test_a_row_whose_code_changed_for_one_seed_is_two(make_record: MakeRecord) -> None:
    records = [make_record(seed=seed) for seed in (0, 1)]
    found = match(side(*records), side(records[0], changed_code(records[1])))
    assert len(found.pairs) == 2
    assert [len(row) for row in found.rows()] == [1, 1]
