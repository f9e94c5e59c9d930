"""What a row says of a training that chose its end or its weights, in every table."""

from typing import Any

import pytest

from bench.record.record import Record
from bench.report.tables import efficiency, table2, table3
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.shown import cells, notes

LATENCY = {"batch_size": 1, "timed_batches": 9, "p50_seconds": 1, "p90_seconds": 1, "p99_seconds": 1}


def chosen(record: Record, keep: str, evaluated: str = "test", **training: Any) -> Record:
    """A record of a training that chose its weights, or its end."""
    content = record.model_dump()
    content["cell"]["train"] |= {"validation_points": 5, "keep": keep}
    content["cell"]["data"]["evaluate_split"] = evaluated
    content["training"] |= training
    return Record.model_validate(content)


@pytest.mark.parametrize("build_table", [table3.build, table2.build, efficiency.build])
def test_a_row_that_stopped_early_or_kept_its_best_says_so(make_record: MakeRecord, build_table: Any) -> None:
    latency = {"latency": [LATENCY]}
    steps: list[dict[str, Any]] = [
        {"steps": 10, "planned_steps": 60, "kept_step": 4},
        {"steps": 60, "planned_steps": 60, "kept_step": 60},
    ]
    records = [chosen(make_record(seed=seed, fields=latency), "best", **steps[seed]) for seed in (0, 1)]
    records.append(chosen(make_record(method="M", fields=latency), "last", steps=10, planned_steps=10, kept_step=10))
    table = known(build_table("Run", records))
    told = [notes(table)[mark] for mark in cells(table)["method"][1]]
    assert told == [
        "stopped early, the validation F1 no longer rising: seed 0 after 10 of 60 steps",
        "keeps the weights of the best validation F1: seed 0 of step 4 of 10, seed 1 of step 60 of 60",
    ]
    assert cells(table, 1)["method"] == ("M", ())


def test_weights_chosen_on_the_evaluated_split_say_so(make_record: MakeRecord) -> None:
    table = table3.build("Run", [chosen(make_record(), "best", "validation", planned_steps=10, kept_step=4)])
    (mark,) = cells(table)["method"][1]
    assert notes(table)[mark].endswith("of step 4 of 10; it is evaluated on the split that chose them")
