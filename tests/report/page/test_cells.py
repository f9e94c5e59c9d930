"""Cells that a page embeds: records are whole again when their shared parts are put back."""

import json
import shlex
from typing import Any

import pytest

from bench.report.charts.rows import rows
from bench.report.page.cells import SHARED, embedded, replay
from bench.report.results.measured import Evidence, Measured
from bench.report.results.run import Results
from bench.report.results.step_curve import StepCurve
from tests.report.conftest import MakeRecord
from tests.report.page.conftest import significances_of
from tests.report.predicted import RUN, results


def found_in(run: Results) -> dict[str, Any]:
    """Embedded cells as the page's script reads them."""
    return json.loads(json.dumps(embedded(run, rows(run, significances_of(run)))))  # type: ignore[no-any-return]


def whole(found: dict[str, Any], at: int) -> dict[str, Any]:
    """A record with its shared parts put back."""
    record = found["cells"][at]["record"]
    for path in SHARED:
        *above, name = path.split(".")
        home = record[above[0]] if above else record
        if isinstance(home.get(name), int):
            home[name] = found["shared"][path][home[name]]
    return record  # type: ignore[no-any-return]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def test_records_come_back(make_record: MakeRecord) -> None:
    records = [
        make_record(seed=0),
        make_record("oom", seed=1),
        make_record(kind="causal", generated_f1=0.4, options={"rank": 1}),
    ]
    found = found_in(results(RUN, *records))
    for at, record in enumerate(records):
        assert without_nulls(whole(found, at)) == without_nulls(record.model_dump(mode="json"))


def test_settings_keep_their_nulls(make_record: MakeRecord) -> None:
    settings = whole(found_in(results(RUN, make_record())), 0)["cell"]
    assert settings["train"]["max_steps"] is None
    assert settings["prompt"] is None


def test_what_cells_share_is_kept_once(make_record: MakeRecord) -> None:
    shared = found_in(results(RUN, *(make_record(seed=seed) for seed in range(5)), make_record(device="cuda")))[
        "shared"
    ]
    assert len(shared["machine"]) == 2
    assert len(shared["cell.train"]) == len(shared["cell.dataset"]) == 1


def test_settings_that_differ_are_named(make_record: MakeRecord) -> None:
    found = found_in(results(RUN, make_record(seed=0), make_record(seed=1, max_length=128)))
    assert found["runs"][0]["differing"] == ["seed", "data.max_length"]


def test_options_that_one_cell_alone_has_differ(make_record: MakeRecord) -> None:
    records = [make_record(options={}), make_record(options={"rank": 1})]
    for run in (results(RUN, *records), results(RUN, *reversed(records))):
        assert "method.options.rank" in found_in(run)["runs"][0]["differing"]


def test_what_stands_beside_a_record(make_record: MakeRecord) -> None:
    curve = StepCurve(name="train", last_step=(1,), elapsed_seconds=(2.0,), tokens_per_second=(3.0,), loss=(4.0,))
    evidence = Evidence("no predictions", (curve,), troubles=("a trouble",), log="the\x1b log")
    cell = found_in(results(RUN, Measured(make_record(seed=4), evidence)))["cells"][0]
    assert cell["curves"] == [{"name": "train", "last_step": [1], "tokens_per_second": [3.0], "loss": [4.0]}]
    assert (cell["log"], cell["troubles"], cell["predictions"]) == ("the  log", ["a trouble"], "no predictions")
    assert cell["title"] == ["IMDb", "RoBERTa", "LoRA", "seed 4"]


def test_rows_of_one_name_are_told_apart(make_record: MakeRecord) -> None:
    found = found_in(results(RUN, make_record(), make_record(max_length=128)))
    names = [f"LoRA (data.max_length = {length})" for length in (256, 128)]
    assert [cell["title"][2] for cell in found["cells"]] == names


@pytest.mark.parametrize("name", ["cell-1", "$(reboot)", "a b'c"])
def test_commands_are_one_word_for_a_shell(name: str) -> None:
    again, worker = map(shlex.split, replay("demo", name))
    assert again == ["bash", f"runs/demo/cells/{name}/replay.sh"]
    assert worker == ["python", "-m", "bench.run.worker", f"runs/demo/cells/{name}/cell.json"]
