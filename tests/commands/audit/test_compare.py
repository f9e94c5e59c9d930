"""Every printed number gets one verdict, and one that is not exact says why."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bench.commands.audit.compare import AuditedNumber, compare
from bench.commands.audit.published import find, load
from bench.commands.audit.published.quantities import COLUMNS
from bench.commands.audit.result import audit
from bench.plan.row import PlanRow
from bench.record.memory_breakdown import MemoryBreakdown
from tests.commands.audit.conftest import CAUSAL, COUNTS, MatchText, llm_flops, plan_row

LEDGER = MemoryBreakdown.of_tensors(
    "train", {"weights": 400, "gradients": 300, "optimizer_state": 200, "activations": 90, "workspace": 10}
)


def check(
    matched: MatchText, header: str, line: str, plan: Sequence[PlanRow] | None = None, **given: Any
) -> AuditedNumber:
    (row,) = matched(f"dataset,model,method,{header}", line, plan=plan)
    columns = tuple(COLUMNS[name] for name in header.split(",") if name in COLUMNS)
    measured: Mapping[Any, Mapping[str, float]] | None = given.pop("measured", None)
    (only,) = compare(row, "T", columns, measured, **given)
    return only


@pytest.mark.parametrize(
    ("column", "text", "verdict", "explanation"),
    [
        ("total_params", "125534212", "exact", ""), ("total_params", "125534213", "within", "0.00% above"),
        ("total_params_million", "125.53", "exact", ""), ("total_params_million", "125.54", "within", "0.00% above"),
        ("total_params_million", "120.00", "within", "4.41% below"),
        ("total_params_million", "119.00", "differs", "5.2% below"), ("total_params_billion", "0.1", "exact", ""),
        ("trainable_params_million", "0.89", "exact", ""),
        ("trainable_params_million", "0.79", "differs", "10.9% below"),
        ("gflops", "46.05", "exact", "at the plan's 256 tokens"),
        ("gflops", "47", "within", "2.05% above, at the plan's 256 tokens"),
        ("f1", "0.9310", "not checkable", "needs a measurement and no run was given"),
        ("throughput_samples_per_second", "659.302", "not checkable", "needs a measurement and no run was given"),
    ],
)  # fmt: skip
def test_a_verdict(column: str, text: str, verdict: str, explanation: str, matched: MatchText) -> None:
    found = check(matched, column, f"imdb,roberta-base,lora,{text}")
    assert (found.published, found.verdict, found.explanation) == (text, verdict, explanation)


def test_the_limit_is_an_argument(matched: MatchText) -> None:
    assert check(matched, "gflops", "imdb,roberta-base,lora,40.00").verdict == "differs"
    assert check(matched, "gflops", "imdb,roberta-base,lora,40.00", within=0.2).verdict == "within"


def test_computed_and_difference_are_in_the_printed_unit(matched: MatchText) -> None:
    found = check(matched, "total_params_million", "imdb,roberta-base,lora,125.00")
    assert found.unit == "M"
    assert found.computed == pytest.approx(125.534212)
    assert found.relative_difference == pytest.approx(125 / 125.534212 - 1)


def test_nothing_printed_where_nothing_is_trained_is_exact(matched: MatchText) -> None:
    row = "imdb,llama-3-8b-instruct"
    header = "trainable_params_million,f1"
    checks = {}
    for method in ("zero_shot", "lora"):
        (found,) = matched(f"dataset,model,method,{header}", f"{row},{method},,0.5")
        columns = (COLUMNS["trainable_params_million"], COLUMNS["f1"])
        checks[method] = {one.quantity: one.verdict for one in compare(found, "T", columns, None)}
    assert checks["zero_shot"] == {"trainable_params": "exact", "f1": "not checkable"}
    assert checks["lora"] == {"f1": "not checkable"}
    assert check(matched, "trainable_params_million", f"{row},zero_shot,41.94").verdict == "differs"
    assert check(matched, "trainable_params_million", f"{row},zero_shot,0.00").verdict == "exact"


def test_flops_of_prompts_are_checkable_where_their_length_is_stated(matched: MatchText) -> None:
    line = "imdb,llama-3-8b-instruct,zero_shot,4092.40"
    unstated = check(matched, "gflops", line, flops_at=llm_flops)
    assert unstated.verdict == "not checkable"
    assert "the printed figure is a forward pass of 290.0 tokens; the computed figure is of 256 tokens" in (
        unstated.explanation
    )
    assert "printed figure" not in check(matched, "gflops", line).explanation
    stated = check(matched, "gflops,sequence_length", f"{line},290", flops_at=llm_flops)
    assert (stated.verdict, stated.explanation) == ("exact", "at the stated 290 tokens")
    without = check(matched, "gflops,sequence_length", f"{line},290")
    assert (without.verdict, without.explanation) == ("not checkable", "printed for 290 tokens, planned for 256")
    same = check(matched, "gflops,sequence_length", "imdb,llama-3-8b-instruct,zero_shot,3608.04,256")
    assert (same.verdict, same.explanation) == ("exact", "at the stated 256 tokens")


@pytest.mark.parametrize(
    ("conditions", "verdict", "explanation"),
    [
        (",,", "not checkable", "the publication does not state batch size, precision and length; the plan's"),
        ("256,,bf16", "not checkable", "the publication does not state batch size; the plan's"),
        ("256,32,bf16", "exact", "predicted for batch size 32, bf16, 256 tokens on cuda"),
        ("256,64,bf16", "not checkable", "printed for other conditions than the plan's batch size 32"),
    ],
)  # fmt: skip
def test_memory_is_checkable_where_its_conditions_are_stated(
    conditions: str, verdict: str, explanation: str, matched: MatchText
) -> None:
    plan = [plan_row("d", "m", "x", train_memory=LEDGER)]
    header = "peak_memory_bytes,sequence_length,batch_size,precision_mode"
    found = check(matched, header, f"d,m,x,1000,{conditions}", plan)
    assert (found.verdict, found.computed) == (verdict, 1000)
    assert found.explanation.startswith(explanation)


def test_memory_of_a_row_that_trains_nothing_is_that_of_inference(matched: MatchText) -> None:
    plan = [plan_row("d", "m", "x", trains=False, inference_memory=LEDGER)]
    assert check(matched, "peak_memory_bytes", "d,m,x,5", plan).computed == 1000


def test_what_the_plan_does_not_know_is_not_checkable(matched: MatchText) -> None:
    plan = [plan_row("d", "m", "x", unknown={"total_params": "no config", "forward_flops": "no trace"})]
    for column, reason in (
        ("total_params", "the plan has no figure: no config"),
        ("gflops", "the plan has no figure: no trace"),
        ("trainable_params", "the plan has no figure: not worked out"),
    ):
        found = check(matched, column, "d,m,x,5", plan)
        assert (found.verdict, found.explanation, found.computed) == ("not checkable", reason, None)
    refused = [plan_row("d", "m", "x", unsupported="no such layer")]
    assert check(matched, "total_params", "d,m,x,5", refused).explanation == (
        "the study cannot build this row: no such layer"
    )


def test_a_measured_mean_stands_beside_and_decides_where_nothing_is_computed(matched: MatchText) -> None:
    measured = {("imdb", "roberta-base", "lora"): {"f1": 0.92, "total_params": 125_534_212.0}}
    f1 = check(matched, "f1", "imdb,roberta-base,lora,0.9310", measured=measured)
    assert (f1.verdict, f1.computed, f1.measured) == ("within", None, 0.92)
    assert f1.explanation == "1.20% above, against the measured mean"
    total = check(matched, "total_params_million", "imdb,roberta-base,lora,125.53", measured=measured)
    assert total.verdict == "exact"
    assert total.measured == pytest.approx(125.534212)
    speed = check(matched, "throughput_samples_per_second", "imdb,roberta-base,lora,5", measured=measured)
    assert speed.explanation == "the run has no successful cell of this row"


def test_the_published_table_against_its_plan(paper_plan: tuple[PlanRow, ...]) -> None:
    counts = audit(load(find("paper")), paper_plan, COUNTS, None, llm_flops, causal=CAUSAL).counts()
    assert (counts["trainable_params"], counts["total_params"]) == ({"exact": 33}, {"exact": 24, "within": 9})
    assert counts["flops"] == {"exact": 12, "differs": 3, "not checkable": 18}
    assert counts["f1"] == counts["throughput"] == {"not checkable": 33}
    # The plan's peaks are made up here; those of RoBERTa are compared, since their conditions were inferred.
    assert counts["peak_memory"] == {"differs": 15, "not checkable": 9}
