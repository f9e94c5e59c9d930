"""Budgets: costs of a row, rows that can be the best within limits, and rows that are not significantly lower."""

from typing import Any

import pytest

from bench.report.charts.rows import ReportRow, rows
from bench.report.page.budgets import costs, embedded
from bench.report.results.run import Results
from tests.report.conftest import MakeRecord
from tests.report.page.conftest import significances_of
from tests.report.predicted import RUN, results


def row_of(
    make_record: MakeRecord, name: str, f1s: list[float], peak: int | None, seconds: float = 60, **given: Any
) -> list[Any]:
    """The records of a row: one F1 per seed, all with the same peak in MB and the same time in seconds."""
    phase = {"peak_host_bytes": None, "peak_cuda_allocated_bytes": None, "peak_cuda_reserved_bytes": None}
    fields = {
        "peak_train_bytes": None if peak is None else peak * 1_000_000,
        "phases": [{"name": "train", "seconds": seconds, "energy_joules": 10 * seconds} | phase],
    }
    return [
        make_record(method=name, method_name=name, seed=seed, macro_f1=f1, fields=fields, **given)
        for seed, f1 in enumerate(f1s)
    ]


def rows_of(*records: Any) -> tuple[list[ReportRow], Results]:
    run = results(RUN, *(one for row in records for one in row))
    return rows(run, significances_of(run)), run


def group_of(*records: Any) -> dict[str, Any]:
    found, run = rows_of(*records)
    group: dict[str, Any]
    (group,) = embedded(found, significances_of(run))["groups"]
    return group


def test_costs_are_in_the_units_of_the_limits(make_record: MakeRecord) -> None:
    (row,), _ = rows_of(row_of(make_record, "a", [0.8], 1500, seconds=90))
    assert [limit["unit"] for limit in embedded([], [])["limits"]] == ["GB", "min", "kJ"]
    assert costs(row) == [1.5, 1.5, 0.9]


def test_costs_are_what_is_shown_of_them(make_record: MakeRecord) -> None:
    """A shown cost, entered as a limit, includes its own row."""
    (row,), _ = rows_of(row_of(make_record, "a", [0.8], 1234, seconds=60.4344))
    assert costs(row) == [1.234, 1.007, 0.6043]


def test_a_row_that_trains_nothing_costs_its_inference(make_record: MakeRecord) -> None:
    parameters = {"trainable_params": 0, "total_params": 5, "logical_params": 5}
    fields = {"parameters": parameters, "training": None, "peak_train_bytes": None, "peak_inference_bytes": 700_000_000}
    (row,), _ = rows_of([make_record(fields=fields)])
    assert costs(row) == [0.7, 0.0, 0.0]


def test_only_rows_that_no_other_beats_can_be_the_best(make_record: MakeRecord) -> None:
    group = group_of(
        row_of(make_record, "large", [0.9, 0.91], 3000), row_of(make_record, "small", [0.8, 0.81], 1000),
        row_of(make_record, "worse", [0.7, 0.71], 2000), row_of(make_record, "unknown", [0.6, 0.61], None),
    )  # fmt: skip
    assert sorted(group["same"]) == ["0", "1"]
    assert [row["costs"][0] for row in group["rows"]] == [3.0, 1.0, 2.0, None]


def test_a_row_of_unknown_cost_wins_where_it_is_best_without_a_limit(make_record: MakeRecord) -> None:
    group = group_of(row_of(make_record, "a", [0.9, 0.91], None), row_of(make_record, "b", [0.8, 0.81], 1000))
    assert sorted(group["same"]) == ["0", "1"]


def test_rows_without_a_significant_difference_are_named(make_record: MakeRecord) -> None:
    group = group_of(
        row_of(make_record, "best", [0.9, 0.91, 0.92], 3000),
        row_of(make_record, "same", [0.905, 0.9, 0.91], 3000),
        row_of(make_record, "lower", [0.5, 0.51, 0.52], 3000),
    )
    (verdict, rest) = group["same"]["0"].pop("1")
    assert (verdict, group["same"]) == ("no significant difference", {"0": {}})
    assert rest.startswith("; a difference of 0.0")
    assert rest.endswith(" would have been seen (80% power)")


def test_one_seed_without_predictions_cannot_be_told(make_record: MakeRecord) -> None:
    group = group_of(row_of(make_record, "best", [0.9], 3000), row_of(make_record, "other", [0.1], 3000))
    verdict, rest = group["same"]["0"]["1"]
    assert (verdict, rest[:10]) == ("not known", ": one seed")


def test_random_weights_are_no_candidates(make_record: MakeRecord) -> None:
    group = group_of(row_of(make_record, "a", [0.9], 1000, weights="random"))
    assert (group["rows"], group["same"]) == ([], {})


@pytest.mark.parametrize("several", [True, False])
def test_datasets_and_runs_are_kept_apart(make_record: MakeRecord, several: bool) -> None:
    first = row_of(make_record, "a", [0.9], 1000)
    other = row_of(make_record, "a", [0.8], 1000, dataset="SST-5")
    one = results(RUN, *first, *other).runs[0]
    run = Results((one, one)) if several else Results((one,))
    found = embedded(rows(run, significances_of(run)), significances_of(run))["groups"]
    machine = "AMD EPYC 7B13, 2 cores"
    named = [
        f"IMDb, {machine}, s (1)", f"SST-5, {machine}, s (1)", f"IMDb, {machine}, s (2)", f"SST-5, {machine}, s (2)",
    ]  # fmt: skip
    assert [group["dataset"] for group in found] == (named if several else ["IMDb", "SST-5"])
