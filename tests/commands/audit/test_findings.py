"""Each kind of finding fires on a table with the fault and is silent on a sound one."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bench.commands.audit import findings
from bench.commands.audit.findings import KINDS, Finding
from bench.commands.audit.match import match
from bench.commands.audit.published import find, load
from bench.commands.audit.published.manifest import Stated
from bench.plan.row import PlanRow
from tests.commands.audit.conftest import CAUSAL, COUNTS, MatchText, llm_flops, llm_row
from tests.known import known

F1 = "dataset,model,method,f1"
FLOPS = "dataset,model,method,gflops"
SPEED = "dataset,model,method,gflops,throughput_samples_per_second"
TOTAL = "dataset,model,method,total_params_million"
SCORES = "dataset,model,method,accuracy,precision,recall,f1"
LLAMA = "imdb,llama-3-8b-instruct"
TWO_A_MULTIPLY_ADD = "imdb,roberta-base,full_ft,45.90"


def texts(found: Sequence[Finding]) -> str:
    return "\n".join(finding.text for finding in found)


@pytest.mark.parametrize(("trainable", "fires"), [("125.54", True), ("125.53", False), ("0.89", False)])
def test_more_trained_than_there(trainable: str, fires: bool, matched: MatchText) -> None:
    columns = "dataset,model,method,trainable_params_million,total_params_million"
    found = findings.more_trained_than_there(matched(columns, f"imdb,roberta-base,lora,{trainable},125.52"))
    assert bool(found) is fires
    assert all(finding.severity == "impossible" for finding in found)


@pytest.mark.parametrize(
    ("precision", "recall", "f1", "fires"),
    [
        ("0.7974", "0.7878", "0.7928", True),  # harmonic mean 0.79257, at most 0.79262 before rounding
        ("0.7974", "0.7878", "0.7926", False),
        ("0.7974", "0.7878", "0.5000", False),  # macro averages may lie far below
        ("0.80", "0.79", "0.80", False),  # as far as two digits tell
        ("0", "0", "0", False),
    ],
)
def test_f1_above_its_parts(precision: str, recall: str, f1: str, fires: bool, matched: MatchText) -> None:
    rows = matched(SCORES, f"imdb,roberta-base,lora,,{precision},{recall},{f1}")
    found = findings.f1_above_its_parts(rows)
    assert [each.severity for each in found] == (["note"] if fires else [])
    stated = [replace(row, row=replace(row.row, stated=Stated(averaging="macro"))) for row in rows]
    assert [each.severity for each in findings.f1_above_its_parts(stated)] == (["inconsistent"] if fires else [])


@pytest.mark.parametrize(
    ("gflops", "severity", "says"),
    [
        ("41.00", "impossible", "less than the model costs without any expert"),
        ("41.56", "inconsistent", "leaves 0.49 GFLOPs for the experts, 6.7% of one pass"),
        ("48.31", "inconsistent", "48.32 together"),
        ("48.32", None, ""),
        ("48", None, ""),  # rounds to it
        ("55.57", None, ""),  # two experts a token
    ],
)
def test_below_own_parts(gflops: str, severity: str | None, says: str, matched: MatchText) -> None:
    found = findings.below_own_parts(matched(FLOPS, TWO_A_MULTIPLY_ADD, f"imdb,roberta-base,moe,{gflops}"))
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert says in texts(found)


def test_below_own_parts_needs_experts_and_the_same_length(matched: MatchText) -> None:
    assert findings.below_own_parts(matched(FLOPS, "imdb,roberta-base,full_ft,10.00")) == []
    assert findings.below_own_parts(matched(f"{FLOPS},sequence_length", "imdb,roberta-base,moe,24.00,128")) == []


def test_less_for_more_work(matched: MatchText) -> None:
    faulty = matched(FLOPS, "imdb,roberta-base,full_ft,45.90", "imdb,roberta-base,lora,45.50")
    (found,) = findings.less_for_more_work(faulty)
    assert found.rows == ("imdb, roberta-base, lora", "imdb, roberta-base, full_ft")
    assert "lora prints 45.50 GFLOPs, less than the 45.90 GFLOPs of full_ft, but computes 0.33% more" in found.text
    for sound in ("46.05", "45.90", "46"):
        rows = matched(FLOPS, "imdb,roberta-base,full_ft,45.90", f"imdb,roberta-base,lora,{sound}")
        assert findings.less_for_more_work(rows) == []
    stated = matched(f"{FLOPS},sequence_length", "imdb,roberta-base,full_ft,45.90,256", "imdb,roberta-base,lora,23,128")
    assert findings.less_for_more_work(stated) == []


def llama(method: str, tokens: int) -> str:
    flops = known(llm_flops(llm_row("imdb", "llama-3-8b-instruct", method), tokens))
    return f"{LLAMA},{method},{flops / 1e9:.2f}"


def test_implied_lengths_differ(matched: MatchText) -> None:
    faulty = matched(FLOPS, llama("lora", 310), llama("zero_shot", 290))
    (found,) = findings.implied_lengths_differ(faulty, llm_flops)
    assert "= 310.0 tokens and" in found.text
    assert "= 290.0 tokens. The longest is 6.9% longer" in found.text
    sound = matched(FLOPS, llama("lora", 290), llama("zero_shot", 290))
    assert findings.implied_lengths_differ(sound, llm_flops) == []
    assert findings.implied_lengths_differ(faulty, None) == []
    assert findings.implied_lengths_differ(faulty, lambda row, tokens: None) == []
    encoder = matched(FLOPS, "imdb,roberta-base,full_ft,45.90", "imdb,roberta-base,lora,30.00")
    assert findings.implied_lengths_differ(encoder, lambda row, tokens: tokens * 10**8) == []


def test_total_holds_untrained(matched: MatchText) -> None:
    lines = [f"{dataset},llama-3-8b-instruct,zero_shot,4582.54" for dataset in ("imdb", "sst5")]
    (found,) = findings.total_holds_untrained(
        matched(TOTAL, *lines, f"{LLAMA},lora,4582.54", "sst5,llama-3-8b-instruct,lora,4582.54")
    )
    assert "it has 4,540,600,320 parameters. The 41,943,040 too many are those that lora trains" in found.text
    assert found.text.endswith("Printed for imdb and sst5.")
    for sound in ("4540.60", "4999.00", "5e3"):
        rows = matched(TOTAL, f"{LLAMA},zero_shot,{sound}", f"{LLAMA},lora,4582.54")
        assert findings.total_holds_untrained(rows) == []
    # A row that trains is not one that trains nothing, whatever it prints.
    assert (
        findings.total_holds_untrained(matched(TOTAL, "imdb,roberta-base,full_ft,125.53", "imdb,roberta-base,lora,1"))
        == []
    )


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["p_tuning,49.69,857.970", "full_ft,45.90,796.689"], "p_tuning costs 8.3% more than full_ft"),
        (["p_tuning,49.69,800", "full_ft,45.90,796.689"], ""),  # not faster by the margin
        (["p_tuning,49.69,700", "full_ft,45.90,796.689"], ""),
        (["lora,46.05,990", "full_ft,45.90,796.689"], ""),  # not costlier by the margin
        (["moe,41.56,900", "full_ft,45.90,796.689"], "(48.32 against 45.90 GFLOPs by the plan)"),
        (["moe,48.32,700", "full_ft,45.90,796.689"], ""),
        (["moe,48.32,900", "full_ft,45.90,0"], "infinity"),
    ],
)
def test_faster_with_more_work(lines: list[str], says: str, matched: MatchText) -> None:
    found = findings.faster_with_more_work(matched(SPEED, *(f"imdb,roberta-base,{line}" for line in lines)))
    assert len(found) == bool(says)
    assert says in texts(found).lower().replace("gflops", "GFLOPs")


def test_faster_with_more_work_between_datasets(matched: MatchText) -> None:
    cheap = "sst5,llama-3-8b-instruct,lora,1218.74"
    (found,) = findings.faster_with_more_work(matched(SPEED, f"{LLAMA},lora,4346.11,2.997", f"{cheap},2.385"))
    assert "imdb costs 256.6% more than sst5" in found.text
    assert findings.faster_with_more_work(matched(SPEED, f"{LLAMA},lora,4346.11,2.997", f"{cheap},10.5")) == []


@pytest.mark.parametrize(
    ("flops", "speed", "fires"),
    [("1171.26", "2.353", True), ("1171.26", "40", False), ("2400.00", "2.353", False), ("1171.26", "0", False)],
)
def test_slower_at_same_work(flops: str, speed: str, fires: bool, matched: MatchText) -> None:
    rows = matched(SPEED, f"{LLAMA},lora,{flops},{speed}", f"{LLAMA},zero_shot,1159.01,50.868")
    found = findings.slower_at_same_work(rows)
    assert bool(found) is fires
    if fires:
        assert "21.6 times as many, where lora costs 1.011 times the GFLOPs" in found[0].text
        assert "2.8 against 59.0 TFLOP/s" in found[0].text
        assert found[0].text.endswith("forward and backward would cost 2.0 times a forward pass.")
        assert findings.faster_with_more_work(rows) == []


def test_tables_disagree(paper_plan: tuple[PlanRow, ...]) -> None:
    rows = match(load(find("paper")), paper_plan, CAUSAL)
    found = findings.tables_disagree(rows)
    # Scores may be averaged in different ways in the two tables.
    assert [each.severity for each in found] == ["note"] * 7
    assert "IMDB, RoBERTa, MoE: F1 is 0.9565 in table2, 0.9426 in table3 and 0.9565 in table4." in texts(found)
    assert "Mistral" not in texts(found)  # all its rows agree
    assert findings.tables_disagree([row for row in rows if row.table != "table3"]) == []


def test_coarser_digits_are_no_disagreement(matched: MatchText) -> None:
    fine, coarse = (matched(F1, f"imdb,roberta-base,lora,{f1}")[0] for f1 in ("0.9310", "0.93"))
    assert findings.tables_disagree([fine, replace(coarse, row=replace(coarse.row, table="other"))]) == []
    worse = matched(F1, "imdb,roberta-base,lora,0.94")[0]
    assert len(findings.tables_disagree([fine, replace(worse, row=replace(worse.row, table="other"))])) == 1


@pytest.mark.parametrize(
    ("column", "numbers", "severity"),
    [("total_params_million", ("124.65", "125.50"), "inconsistent"), ("peak_memory_mb", ("2701", "1500"), "note")],
)
def test_what_has_one_value_may_not_have_two(
    column: str, numbers: tuple[str, str], severity: str, matched: MatchText
) -> None:
    one, other = (
        matched(f"dataset,model,method,{column}", f"imdb,roberta-base,full_ft,{number}")[0] for number in numbers
    )
    (found,) = findings.tables_disagree([one, replace(other, row=replace(other.row, table="other"))])
    assert found.severity == severity


def test_averages_mixed(matched: MatchText) -> None:
    weighted = "sst5,roberta-base,moe,0.5805,0.5788,0.5805,0.5785"
    macro = "sst5,roberta-base,lora,0.5498,0.5568,0.5515,0.5541"
    (found,) = findings.averages_mixed(matched(SCORES, weighted, macro), COUNTS)
    assert "recall equals accuracy in moe" in found.text
    assert "it does not in lora, so it cannot be a weighted average there" in found.text
    assert findings.averages_mixed(matched(SCORES, weighted, weighted.replace("moe", "lora")), COUNTS) == []
    assert findings.averages_mixed(matched(SCORES, macro, macro.replace("lora", "moe")), COUNTS) == []
    lines = (weighted.replace("sst5", "imdb"), macro.replace("sst5", "imdb"))
    (balanced,) = findings.averages_mixed(matched(SCORES, *lines), COUNTS)
    assert "neither a weighted nor a macro average there" in balanced.text


@pytest.mark.parametrize(
    ("dataset", "f1", "says"),
    [
        # 2 * 558 / (558 + 1421) / 4 = 0.140980
        ("tweet_eval_emotion", "0.1410", "'anger' (558 of 1421 texts), 0.140980; the best constant answer"),
        ("tweet_eval_emotion", "0.141", "'anger'"),
        ("tweet_eval_emotion", "0.1059", "'sadness' (382 of 1421 texts), 0.105935; below the best constant answer"),
        ("imdb", "0.3333", "every text is one of 'negative' (12500 of 25000 texts) and 'positive'"),
        ("tweet_eval_emotion", "0.1411", ""),
        ("tweet_eval_emotion", "0.8039", ""),
    ],
)
def test_constant_answer(dataset: str, f1: str, says: str, matched: MatchText) -> None:
    rows = matched(F1, f"{dataset},roberta-base,lora,{f1}")
    found = findings.constant_answer(rows, COUNTS)
    assert len(found) == bool(says)
    assert says in texts(found)
    assert findings.constant_answer(rows, {}) == []


@pytest.mark.parametrize(
    ("f1", "fires"), [("0.0870", True), ("0.0890", True), ("0.0891", False), ("0.1385", False), ("0.0750", False)]
)
def test_below_constant_answer(f1: str, fires: bool, matched: MatchText) -> None:
    rows = matched(F1, f"sst5,roberta-base,lora,{f1}")
    found = findings.below_constant_answer(rows, COUNTS)
    assert bool(found) is fires
    assert ("'negative' (633 of 2210 texts)" in texts(found)) is fires
    assert findings.below_constant_answer(rows, {}) == []


def test_the_published_tables_have_these_findings(paper_plan: tuple[PlanRow, ...]) -> None:
    found = findings.find_all(match(load(find("paper")), paper_plan, CAUSAL), COUNTS, llm_flops)
    counts = {kind: sum(finding.kind == kind for finding in found) for kind in KINDS}
    assert counts == {
        "more_trained_than_there": 0, "f1_above_its_parts": 1, "below_own_parts": 3, "less_for_more_work": 2,
        "implied_lengths_differ": 4, "total_holds_untrained": 3, "faster_with_more_work": 4, "slower_at_same_work": 9,
        "tables_disagree": 7, "averages_mixed": 3, "constant_answer": 2, "below_constant_answer": 1,
        "accuracy_without_count": 3, "no_confusion_matrix": 3, "accuracy_cut": 1, "undecided": 6,
    }  # fmt: skip
    accused = {finding.kind for finding in found if finding.severity != "note"}
    assert accused == {
        "below_own_parts", "less_for_more_work", "implied_lengths_differ", "total_holds_untrained",
        "accuracy_without_count", "no_confusion_matrix",
    }  # fmt: skip
    assert [finding.kind for finding in found] == sorted((finding.kind for finding in found), key=list(KINDS).index)


def test_a_sound_table_has_no_findings(matched: MatchText) -> None:
    rows = matched(
        "dataset,model,method,f1,trainable_params_million,total_params_million,gflops,throughput_samples_per_second",
        "imdb,roberta-base,full_ft,0.9378,124.65,124.65,45.90,800",
        "imdb,roberta-base,lora,0.9310,0.89,125.53,46.05,660",
        "imdb,roberta-base,p_tuning,0.7966,0.61,125.25,49.69,650",
        "imdb,roberta-base,moe,0.9426,172.42,172.42,48.32,640",
        f"{LLAMA},lora,0.9693,41.94,4582.54,4117.40,9.4",
        f"{LLAMA},zero_shot,0.9346,,4540.60,4093.11,9.9",
    )
    assert findings.find_all(rows, COUNTS, llm_flops) == ()
