"""How far repeats of one cell agree."""

import io

import pandas as pd
import pytest

from bench.record.record import Record
from bench.report.tables import repeatability
from bench.report.tables.table3 import build
from bench.text.tables.files import files
from tests.known import known
from tests.report.conftest import MakeRecord


def repeated(make_record: MakeRecord, rates: list[float], seed: int = 0) -> list[Record]:
    """One cell measured once for each rate."""
    found = []
    for repeat, rate in enumerate(rates):
        record = make_record(seed=seed, train_rate=rate)
        cell = record.cell.model_copy(update={"repeat": repeat})
        found.append(record.model_copy(update={"cell": cell, "cell_id": cell.id}))
    return found


def test_the_coefficient_of_variation_is_sample_deviation_over_mean(make_record: MakeRecord) -> None:
    table = known(repeatability.build("r", repeated(make_record, [90.0, 100.0, 110.0])))
    (row,) = table.frame.to_dict("records")
    assert row["train_samples_per_second_mean"] == pytest.approx(100)
    assert row["train_samples_per_second_cv_percent"] == pytest.approx(10)
    assert row["macro_f1_cv_percent"] == 0
    assert (row["seeds"], row["measurements"]) == (1, 3)
    markdown, csv = (content.decode() for content in files(table, ["md", "csv"]).values())
    assert "100.0 (CV 10.00 %)" in markdown
    assert "(identical)" in markdown
    assert pd.read_csv(io.StringIO(csv))["train_samples_per_second_cv_percent"].tolist() == pytest.approx([10])


def test_seeds_are_not_taken_for_noise(make_record: MakeRecord) -> None:
    both = [*repeated(make_record, [100.0, 100.0]), *repeated(make_record, [200.0, 202.0], seed=1)]
    table = known(repeatability.build("r", both))
    expected = 100 * 2**0.5 / 201
    assert table.frame["train_samples_per_second_cv_percent"].tolist() == pytest.approx([expected])


def test_without_repeats_there_is_no_such_table(make_record: MakeRecord) -> None:
    assert repeatability.build("r", [make_record(seed=0), make_record(seed=1)]) is None


def test_repeats_are_one_row_and_tell_nothing_of_its_f1(make_record: MakeRecord) -> None:
    table = build("r", repeated(make_record, [90.0, 100.0, 110.0]))
    (row,) = table.frame.to_dict("records")
    assert (row["seeds"], row["measurements"]) == (1, 3)
    assert pd.isna(row["macro_f1_low"])
    assert "Means over the successful measurements, repeats included" in table.caption
