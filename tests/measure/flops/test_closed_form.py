"""A method that states no closed form, here DoRA by way of peft, is held to two counts everywhere."""

from pathlib import Path
from typing import Any

import pytest

from bench.commands.check.kit import examine
from bench.commands.check.specimen import specimens
from bench.method import registry
from bench.plan.plan import Plan
from bench.study.request import Request
from bench.study.study import Study
from tests.known import known
from tests.support import TEST_ROWS, TRAIN_ROWS, run_cell, small_study, write_texts

pytestmark = pytest.mark.usefixtures("one_thread")
DORA = '''from peft import LoraConfig, get_peft_model

from bench.method import Method


class DoRA(Method):
    """Low-rank updates of weights that are split into size and direction."""

    label = "DoRA"

    def adapt(self, model, task):
        return get_peft_model(model, LoraConfig(task_type="SEQ_CLS", use_dora=True))
'''
WHY = "method DoRA states no closed_form_flops"


@pytest.fixture
def dora(tmp_path: Path) -> Path:
    path = tmp_path / "dora.py"
    path.write_text(DORA, encoding="utf-8")
    return path


@pytest.fixture
def study(tmp_path: Path, tiny_encoder: Path) -> dict[str, Any]:
    texts = write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    return small_study(tiny_encoder, texts, methods=["dora"])


def test_the_kit_passes_it(dora: Path) -> None:
    plugin = registry.Plugin(name="dora", path=dora, sha256="", origin="a test")
    results = {result.check: result for result in examine(plugin, chosen=specimens()[:1])}
    assert {result.verdict for result in results.values()} == {"pass", "not applicable"}
    assert (results["FLOPs"].verdict, results["closed form"].verdict) == ("pass", "not applicable")
    assert results["closed form"].found == f"{WHY}; the two counters are compared"


def test_its_cell_is_not_suspect_for_it(
    dora: Path, study: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.measure.matmul.CPU_SIZE", 256)
    record = run_cell(study, tmp_path, dora)
    assert record.status == "ok", record.failure
    assert (known(record.flops).closed_form_flops, record.unknown["flops.closed_form_flops"]) == (None, WHY)
    (check,) = [check for check in record.checks if check.name == "FLOP counters agree"]
    assert (check.verdict, check.found) == ("valid", "2 ways within 0.1 %")


def test_its_row_of_a_plan_gives_the_reason(dora: Path, study: dict[str, Any], tmp_path: Path) -> None:
    (row,) = Plan(Request(study=Study.model_validate(study), plugin_files=[dora])).rows()
    assert (row.unsupported, row.remarks) == (None, ())
    assert row.forward_flops
    assert row.train_memory is not None
    assert (row.forward_flops_closed_form, row.expert_flops) == (None, None)
    assert row.unknown == dict.fromkeys(("forward_flops_closed_form", "expert_flops"), WHY)
