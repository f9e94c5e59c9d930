"""The table of searches, and what Table 3 and the efficiency table say of them."""

import csv
from collections.abc import Sequence

import pytest

from bench.record.record import Record
from bench.report.tables import efficiency, table3
from bench.report.tables.search import ALL_EQUAL, OF_PRUNED, build, sentences
from bench.text.tables.csv_text import to_csv
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.shown import cells, notes
from tests.report.tuned import tuned, tuning

HIGH, LOW = [0.80, 0.81, 0.82, 0.80, 0.81, 0.82], [0.50, 0.51, 0.52, 0.50, 0.51]
COSTS = ["training_tflops", "search_trials", "search_seconds", "search_tflops", "search_kj", "chosen_settings"]


def two(make_record: MakeRecord) -> list[Record]:
    return [
        tuned(make_record(method=method, seed=seed), tuning(*scores))
        for method, scores in (("A", HIGH), ("B", LOW))
        for seed in (0, 1)
    ]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def columns(records: Sequence[Record]) -> list[str]:
    return [name for name in table3.build("Run", records).frame.columns if name in COSTS]


def test_no_search_no_table(make_record: MakeRecord) -> None:
    assert build("Run", [make_record()]) is None
    assert sentences([make_record()]) == []


def test_expected_best_by_number_of_trials(make_record: MakeRecord) -> None:
    table = known(build("Run", [*two(make_record), make_record(method="C")]))
    assert [column.header for column in table.grids[0][1]] == ["Trials", "1 trial", "2 trials", "5 trials", "6 trials"]
    first, second = cells(table), cells(table, 1)
    assert first["search_trials"] == ("6", ())
    assert first["expected_best_1"][0].startswith("0.8100 (0.")
    assert first["expected_best_6"][0].startswith("0.8200 (0.")
    text, marks = second["expected_best_6"]
    assert (text, [notes(table)[mark] for mark in marks]) == ("–", ["trials made: 5"])
    assert (first["search_seconds"][0], first["search_tflops"][0], first["search_kj"][0]) == ("75.0", "6.00", "3.00")
    assert first["chosen_settings"][0] == "learning_rate = 0.0001, train.epochs = 2"
    row = rows(to_csv(table))[0]
    assert float(row["expected_best_1_low"]) < 0.81 < float(row["expected_best_1_high"]) < 0.83
    assert len(table.rows) == 2


def test_who_leads_is_said(make_record: MakeRecord) -> None:
    said = ["IMDb, RoBERTa: with 1 to 5 trials, A has the highest expected best validation F1"]
    assert sentences(two(make_record)) == said
    table = known(build("Run", two(make_record)))
    assert [note.text for note in table.footnotes if not note.mark] == said
    assert sentences(two(make_record)[:2]) == [], "a single method has no rival"


def test_failed_and_pruned_trials(make_record: MakeRecord) -> None:
    content = tuning(0.5, None, 0.7).model_dump()
    content["trials"][0]["pruned"] = True
    table = known(build("Run", [tuned(make_record(), type(tuning(0.5)).model_validate(content))]))
    assert list(table.frame["failed_trials"]) == [1]
    assert cells(table)["expected_best_1"][0].startswith("0.4000 (")
    assert OF_PRUNED in table.caption
    assert OF_PRUNED not in known(build("Run", two(make_record))).caption


def test_every_trial_failed(make_record: MakeRecord) -> None:
    table = known(build("Run", [tuned(make_record(), tuning(None, None, flops=None, energy=None))]))
    found = cells(table)
    text, marks = found["expected_best_2"]
    assert (text, [notes(table)[mark] for mark in marks]) == ("0.0000", [ALL_EQUAL])
    assert (found["search_tflops"][0], found["search_kj"][0], found["chosen_settings"][0]) == ("–", "–", "–")


def test_costs_beside_the_row_in_table_3(make_record: MakeRecord) -> None:
    table = table3.build("Run", [*two(make_record), tuned(make_record(method="C"), None)])
    found = rows(to_csv(table))
    assert [found[0][name] for name in COSTS] == [
        "3.0", "6", "75.0", "6.0", "3.0", "learning_rate = 0.0001, train.epochs = 2",
    ]  # fmt: skip
    assert [found[2][name] for name in COSTS] == ["3.0", "", "", "", "", ""]
    assert "A row needed its search once, whatever its number of seeds" in table.caption


def test_columns_that_no_row_has_are_left_out(make_record: MakeRecord) -> None:
    assert columns([make_record()]) == []
    assert "TFLOP" not in table3.build("Run", [make_record()]).caption
    assert columns([tuned(make_record(), None)]) == COSTS[:1]
    assert columns([tuned(make_record(), tuning(0.5), flops=None)]) == COSTS[1:]


def test_costs_in_the_efficiency_table(make_record: MakeRecord) -> None:
    table = known(efficiency.build("Run", [*two(make_record), make_record(method="C")]))
    assert {"Training", "Search of the options"} <= {heading for heading, _ in table.grids}
    assert [cells(table)[name][0] for name in COSTS[:-1]] == ["3.00", "6", "75.0", "6.00", "3.00"]
    reasons = {name: notes(table)[cells(table, 2)[name][1][0]] for name in ("training_tflops", "search_trials")}
    assert reasons == {
        "training_tflops": "older records do not have it", "search_trials": "its options were not searched",
    }  # fmt: skip
    assert list(table.frame["chosen_settings"])[2] == ""


@pytest.mark.parametrize("verdict", ["valid", "suspect"])
def test_the_check_of_the_search_is_shown_with_its_reason(make_record: MakeRecord, verdict: str) -> None:
    found = "the best learning_rate, 0.01, lies at the upper edge of its space"
    checks = [{"name": "tuned", "verdict": verdict, "found": found}]
    table = table3.build("Run", [tuned(make_record(), tuning(0.5), checks=checks)])
    text, marks = cells(table)["stamp"]
    assert text == verdict
    assert [notes(table)[mark] for mark in marks] == ([f"suspect: tuned: {found}"] if verdict == "suspect" else [])
