"""Rows of a plan for methods without a model."""

from pathlib import Path
from typing import Any

import pytest

from bench.errors import PluginError
from bench.plan.plan import Plan
from bench.plan.render import plan_table, record
from bench.record.record import NO_MODEL
from bench.study.request import Request
from bench.study.study import Study

GRID = {"datasets": ["synthetic_stars"], "models": ["none"], "methods": ["tfidf_linear"]}


def planned(grid: dict[str, Any], **tables: Any) -> Plan:
    study = Study.model_validate({"name": "s", "grid": [GRID | grid], "device": "cpu", **tables})
    return Plan(Request(study=study), with_memory=False)


def test_a_row_has_its_names_and_the_reason_for_each_dash() -> None:
    [row] = planned({}, baselines=False).rows()
    assert (row.model_label, row.method_label, row.num_labels, row.unsupported) == ("–", "TF-IDF + linear", 5, None)
    assert (row.forward_flops, row.train_memory, row.sequence_length) == (None, None, None)
    assert row.unknown["forward_flops"] == NO_MODEL
    assert row.unknown["total_params"] == "known once the method is fitted on the texts"
    assert record(row)["forward_gflops"] is None


def test_baselines_are_planned_with_every_study() -> None:
    plan = planned({"methods": ["majority"]})
    assert [row.method for row in plan.rows()] == ["majority", "tfidf_linear"]
    assert plan.left_out() == []
    table = plan_table("Plan", plan.rows(), {})
    assert "sequence length –" in table.footnotes[1].text


def test_a_wrong_option_is_refused() -> None:
    with pytest.raises(PluginError, match=r"methods\.tfidf_linear\.options: strengths"):
        planned({}, methods={"tfidf_linear": {"options": {"strengths": []}}}).rows()


def test_a_plugin_that_raises_on_import_is_named(tmp_path: Path) -> None:
    plugin = tmp_path / "wrong.py"
    plugin.write_text("raise KeyError('gone')", encoding="utf-8")
    study = Study.model_validate({"name": "s", "grid": [GRID], "device": "cpu"})
    with pytest.raises(PluginError, match=r"method wrong: .* does not import"):
        Plan(Request(study=study, plugin_files=(plugin,)), with_memory=False)
