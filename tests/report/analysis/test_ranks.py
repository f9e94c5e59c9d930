"""Which throughput is marked as the best: one that its interval tells from those of all rows below."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bench.record.record import Record
from bench.report.analysis import ranks
from bench.report.analysis.quantities import QUANTITIES
from bench.report.analysis.statistics import by_row
from bench.report.tables.footnotes import Notes
from bench.report.tables.table import describe
from tests.report.conftest import MakeRecord

TRAIN = QUANTITIES["train_samples_per_second"]


def found(records: Sequence[Record]) -> dict[str, str]:
    """The rank by method."""
    rows = by_row(records)
    ranked = ranks.of_rates(rows, describe(rows, [TRAIN], Notes()), [TRAIN])
    return {row[0].cell.method.name: ranked.get((at, TRAIN.column), "") for at, row in enumerate(rows)}


def rows(make_record: MakeRecord, rates: Mapping[str, Sequence[float]], **given: Any) -> list[Record]:
    return [make_record(method=name, seed=seed, train_rate=rate, **given)
            for name, of in rates.items() for seed, rate in enumerate(of)]  # fmt: skip


@pytest.mark.parametrize(
    ("rates", "ranked"),
    [
        ({"low": (50.0, 50.1), "high": (100.0, 100.1), "middle": (70.0, 70.1)}, {"high": "best", "middle": "second"}),
        # Student's interval over two seeds is 12.7 deviations of the mean wide on each side, so these touch.
        ({"high": (100.0, 104.0), "middle": (90.0, 90.1), "low": (50.0, 50.1)}, {}),
        ({"high": (100.0, 100.1), "middle": (70.0, 70.1), "low": (69.0, 70.0)}, {"high": "best"}),
        ({"high": (100.0, 100.1), "low": (70.0, 70.1)}, {"high": "best"}),
    ],
    ids=["best and second", "intervals that touch", "no second is told apart", "the last is no second"],
)
def test_ranks_over_seeds(make_record: MakeRecord, rates: dict[str, Sequence[float]], ranked: dict[str, str]) -> None:
    assert found(rows(make_record, rates)) == dict.fromkeys(rates, "") | ranked


def test_single_measurements_are_not_ranked(make_record: MakeRecord) -> None:
    assert found(rows(make_record, {"high": (100.0,), "low": (10.0,)})) == {"high": "", "low": ""}


def test_a_row_without_an_interval_is_told_from_none(make_record: MakeRecord) -> None:
    records = [*rows(make_record, {"high": (100.0, 100.1)}), make_record(method="alone", train_rate=1.0)]
    assert found(records) == {"high": "", "alone": ""}


def test_rows_without_the_number_take_no_rank_away(make_record: MakeRecord) -> None:
    records = rows(make_record, {"high": (100.0, 100.1), "low": (70.0, 70.1)})
    records += [make_record("oom", method="failed"), make_record(method="untrained", fields={"training": None})]
    assert found(records) == {"high": "best", "low": "", "failed": "", "untrained": ""}


@pytest.mark.parametrize(
    "other",
    [
        {"device": "cuda"}, {"max_length": 64}, {"fields": {"precision": "bf16"}}, {"fields": {"machine": None}},
        {"fields": {"checks": [{"name": "swap", "verdict": "suspect", "found": "swapped"}]}},
    ],
)  # fmt: skip
def test_rows_that_were_not_measured_alike_are_not_ranked(make_record: MakeRecord, other: dict[str, Any]) -> None:
    high, low = {"high": (100.0, 100.1)}, {"low": (70.0, 70.1)}
    assert found(rows(make_record, high) + rows(make_record, low)) == {"high": "best", "low": ""}
    assert found(rows(make_record, high) + rows(make_record, low, **other)) == {"high": "", "low": ""}


def test_ranks_are_within_a_dataset_and_model(make_record: MakeRecord) -> None:
    records = [one for at, model in enumerate("MN") for one in rows(
        make_record, {f"{model}1": (100.0 * (at + 1), 100.1 * (at + 1)), f"{model}2": (50.0, 50.1)}, model=model
    )]  # fmt: skip
    assert found(records) == {"M1": "best", "M2": "", "N1": "best", "N2": ""}
