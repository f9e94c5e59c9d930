"""An audit as Markdown, csv, html and a paragraph; names from files do no harm in any of them."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.commands.audit.infer import Inference
from bench.commands.audit.published import find, load
from bench.commands.audit.render import to_csv, to_html, to_markdown, write
from bench.commands.audit.result import Audit, audit, summary
from bench.errors import RunFolderError
from bench.plan.row import PlanRow
from tests.commands.audit.conftest import CAUSAL, COUNTS, llm_flops, plan_row
from tests.report.conftest import MakeRecord

EVIL = "<img src=x onerror=alert(1)>|`x` [a](b)"
FORMULA = "=1+1"


@pytest.fixture(scope="module")
def paper(paper_plan: tuple[PlanRow, ...]) -> Audit:
    return audit(load(find("paper")), paper_plan, COUNTS, None, llm_flops, causal=CAUSAL)


@pytest.fixture
def hostile(tmp_path: Path) -> Audit:
    plan = [
        plan_row("d", "m", method, dataset_label=FORMULA, model_label=EVIL, total_params=4_540_600_320 + extra,
                 trainable_params=extra, trains=bool(extra))
        for method, extra in (("x", 0), ("y", 41_943_040))
    ]  # fmt: skip
    table = tmp_path / "t<b>.csv"
    lines = ["dataset,model,method,total_params_million", *(f'{FORMULA},"{EVIL}",{m},4582.54' for m in "xy"),
             f'{FORMULA},"{EVIL}",@SUM(A1),1']  # fmt: skip
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return audit(load(table), plan, {}, study="s", causal=())


def test_the_summary_is_one_paragraph(paper: Audit) -> None:
    text = summary(paper)
    assert "\n" not in text
    for part in (
        "Trainable parameters exact in 33 of 33 rows",
        "Total parameters exact in 24 of 33 rows, within 5 % in 9",
        "GFLOPs exact in 12 of 33 rows, differing in 3, not checkable in 18",
        "F1 not checkable in 33 rows",
        "6 printed rows are not compared",
        "52 findings:",
        "3 × GFLOPs below what the model's own parts cost (inconsistent)",
    ):
        assert part in text


def test_a_sound_table_has_a_short_summary(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("dataset,model,method,total_params\nd,m,x,5\n", encoding="utf-8")
    sound = audit(load(table), [plan_row("d", "m", "x", total_params=5)], {}, study="s", causal=())
    assert summary(sound) == "mine against study s: Total parameters exact in 1 of 1 rows. No findings."
    assert "## Findings\n\nNone." in to_markdown(sound)
    assert "<p>None.</p>" in to_html(sound)
    assert "Rows left out" not in to_markdown(sound) + to_html(sound)


def test_markdown_has_the_counts_the_findings_and_every_number(paper: Audit) -> None:
    text = to_markdown(paper)
    assert "| GFLOPs | 12 | 0 | 3 | 18 |" in text
    assert "### Totals that contain another method's parameters" in text
    assert "- **note** SST-5, RoBERTa, BitFit: F1 0.0870 is below 0.089061" in text
    rows = [line for line in text.split("## Every number")[1].splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(paper.checks) == 2 + 33 * 5 + 24
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {13}


def test_an_explanation_names_the_findings_about_its_number(paper: Audit) -> None:
    (total,) = [
        check for check in paper.checks
        if (check.dataset, check.model, check.method, check.quantity)
        == ("IMDB", "Llama-3-8B-Instruct", "Zero-shot", "total_params")
    ]  # fmt: skip
    assert total.explanation == "0.92% above; see: Totals that contain another method's parameters"


def test_csv_holds_a_line_a_number(paper: Audit) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(paper))))
    assert list(rows[0]) == [
        "table", "dataset", "model", "method", "quantity", "unit", "published", "computed", "relative_difference",
        "measured", "verdict", "explanation",
    ]  # fmt: skip
    assert len(rows) == len(paper.checks)
    one = next(row for row in rows if row["method"] == "MoE" and row["quantity"] == "flops")
    assert (one["published"], one["computed"], one["verdict"]) == ("41.56", "48.322", "differs")
    assert float(one["relative_difference"]) == pytest.approx(41.56 / 48.322 - 1)


def test_rows_left_out_are_listed_with_the_reason(hostile: Audit) -> None:
    (reason,) = hostile.unmatched
    assert reason.endswith(f"line 4, {FORMULA}, {EVIL}, @SUM(A1): not in the study: method '@SUM(A1)'")
    assert "@SUM(A1)" in to_markdown(hostile)
    assert "@SUM(A1)" in to_html(hostile)


def test_files_are_written_and_a_refusal_is_an_error(paper: Audit, tmp_path: Path) -> None:
    paths = write(paper, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["audit.md", "audit.csv", "audit.html"]
    assert [path.read_text(encoding="utf-8") for path in paths] == [to_markdown(paper), to_csv(paper), to_html(paper)]
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunFolderError, match="cannot be written"):
        write(paper, tmp_path / "file" / "folder")


def test_the_conditions_of_a_run_are_shown(paper_plan: tuple[PlanRow, ...], make_record: MakeRecord) -> None:
    records = [make_record(dataset_name="imdb", model_name="roberta-base", method_name="lora", macro_f1=0.93104)]
    measured = audit(load(find("paper")), paper_plan, COUNTS, records, causal=CAUSAL)
    assert measured.counts()["f1"] == {"exact": 1, "not checkable": 32}
    for text in (to_markdown(measured), to_html(measured)):
        assert "AMD EPYC 7B13" in text
        assert "0.931040" in text


@pytest.mark.parametrize("within", [0, 1, -0.1])
def test_a_limit_out_of_range_is_refused(within: float, paper_plan: tuple[PlanRow, ...]) -> None:
    with pytest.raises(ValueError, match="within must be above 0 and below 1"):
        audit(load(find("paper")), paper_plan, {}, within=within)


def test_inferred_conditions_are_shown_and_escaped(paper: Audit) -> None:
    inference = Inference(EVIL, "identified", "batch size 8", (f"{EVIL}: 1.000",), ("batch size 7",), ("left out",))
    shown = replace(paper, inferences=(inference,))
    markdown, html = to_markdown(shown), to_html(shown)
    assert "## Inferred conditions" in markdown
    assert "- rival within 2.5%: batch size 7\n- left out\n" in markdown
    assert "<h2>Inferred conditions</h2>" in html
    assert "<img" not in markdown + html
    assert "Inferred conditions" not in to_markdown(paper) + to_html(paper)
