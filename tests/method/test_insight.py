"""What methods show beyond the table, from the worker through the record to the report."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import TEST_ROWS, TRAIN_ROWS, command, records, small_study, write_plugin, write_study, write_texts

pytestmark = pytest.mark.slow
SHOWS = """
    def insights(self, model, task, examples):
        import time

        from bench.method import Chart, Insight, Insights

        time.sleep(2)
        assert not model.training
        assert sorted(row for batch in examples.batches for row in batch.rows) == list(range(len(examples.texts)))
        ids = examples.batches[0].input_ids[0].tolist()
        shown = Insight(
            name="words", title="<b>Words</b>", caption="n = 1", columns={"word": [examples.token(i) for i in ids],
            "place": list(range(len(ids)))}, chart=Chart(kind="bars", x="word", y="place", x_label="x", y_label="y"),
        )
        return Insights(facts={"labels": list(task.labels)}, warnings=("all is odd",), parts=(shown,))
"""
FAILS = """
    def insights(self, model, task, examples):
        raise KeyError("slip")
"""


@pytest.fixture(scope="module")
def ran(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("insights")
    texts = write_texts(folder / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    content = small_study(tiny_encoder, texts, methods=["moe", "shows", "fails"])
    content["methods"] = {"moe": {"options": {"layers": "last:1"}}}
    plugins = [write_plugin(folder, "shows", extra=SHOWS), write_plugin(folder, "fails", extra=FAILS)]
    named = [part for plugin in plugins for part in ("--plugin", plugin)]
    done = command("run", write_study(folder / "small.toml", content), *named, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def found(ran: Path) -> dict[str, Any]:
    return records(ran / "runs" / "small")


def insights_file(ran: Path, method: str) -> Path:
    (folder,) = (ran / "runs" / "small" / "cells").glob(f"*__{method}__*")
    return folder / "insights.json"


def test_the_data_stand_beside_the_record_and_a_few_numbers_in_it(ran: Path, found: dict[str, Any]) -> None:
    names = [part["name"] for part in json.loads(insights_file(ran, "moe").read_text())["parts"]]
    assert {"utilisation", "tokens_by_expert", "routing", "expert_by_class", "similarity", "projection"} <= set(names)
    layer = found["moe/0"]["insights"]["layers"]["layer 1"]
    assert sum(layer["shares"]) == pytest.approx(2)
    assert found["shows/0"]["insights"] == {"labels": ["0", "1"]}


def test_looking_is_a_phase_of_its_own_of_those_that_look(found: dict[str, Any]) -> None:
    assert "insights" in [phase["name"] for phase in found["moe/0"]["phases"]]
    assert seconds(found["shows/0"])["insights"] >= 2, "as long as it looked"
    for record in found.values():
        assert record["wall_seconds"] - sum(phase["seconds"] for phase in record["phases"]) < 1


def seconds(record: dict[str, Any]) -> dict[str, float]:
    return {phase["name"]: phase["seconds"] for phase in record["phases"]}


def test_a_slip_in_it_costs_no_measurement(ran: Path, found: dict[str, Any]) -> None:
    record = found["fails/0"]
    assert (record["status"], record["insights"]) == ("ok", {})
    assert record["quality"]["macro_f1"] is not None
    assert record["unknown"]["insights"] == "KeyError: 'slip'"
    assert not insights_file(ran, "fails").exists()


def test_the_report_draws_it_and_says_the_warnings(ran: Path, found: dict[str, Any]) -> None:
    assert found["shows/0"]["warnings"] == ["all is odd"]
    report = ran / "reports" / "small"
    assert "all is odd" in (report / "table3.md").read_text(encoding="utf-8")
    index = (report / "insights.md").read_text(encoding="utf-8")
    assert "all is odd" in index
    assert "<b>" not in index
    assert {path.name for path in report.glob("insights/*shows*/*")} == {"words.png", "words.svg", "words.csv"}
    assert len(list(report.glob("insights/*moe*/*.svg"))) >= 5
