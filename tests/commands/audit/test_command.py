"""The published study's tables beside the plan of ``paper``, worked out for real."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from tests.support import command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict[str, str]]]:
    """What ``tunebench audit paper`` prints, and the lines of its csv."""
    folder = tmp_path_factory.mktemp("audit")
    done = command("audit", "paper", "--no-memory", "--reports", "reports", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    with (folder / "reports" / "audit_sentiment_moe" / "audit.csv").open(newline="") as handle:
        return done.stdout, list(csv.DictReader(handle))


def test_the_static_columns(printed: tuple[str, list[dict[str, str]]]) -> None:
    _, lines = printed
    verdicts = Counter((line["quantity"], line["verdict"]) for line in lines)
    assert (verdicts["trainable_params", "exact"], verdicts["total_params", "exact"]) == (33, 24)
    not_exact = [line for line in lines if line["quantity"] == "total_params" and line["verdict"] != "exact"]
    assert ({line["method"] for line in not_exact}, len(not_exact)) == ({"Zero-shot"}, 9)
    assert verdicts["flops", "exact"] == 12
    wrong = [line for line in lines if line["quantity"] == "flops" and line["verdict"] == "differs"]
    assert {line["method"] for line in wrong} == {"MoE"}
    assert {f"{float(line['computed']):.2f}" for line in wrong} == {"48.32", "48.33"}  # 4 and 6 outputs of the router


def test_the_reasons(printed: tuple[str, list[dict[str, str]]]) -> None:
    said, _ = printed
    for sentence in (
        "The 41,943,040 too many are those that LoRA trains, whose total is 4,582,543,360.",
        "The 41,943,040 too many are those that LoRA trains, whose total is 3,800,305,664.",
        "The 40,370,176 too many are those that LoRA trains, whose total is 4,393,342,464.",
        "41.56 GFLOPs leaves 0.48 GFLOPs for the experts",
        "F1 0.1410 is the macro F1 of answering that every text is 'anger' (558 of 1421 texts)",
        "F1 is 0.7986 in table2 and 0.8083 in table3",
    ):
        assert sentence in said


def test_one_finding_is_said_in_the_singular(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(
        "dataset,model,method,gflops,throughput_samples_per_second,sequence_length\n"
        "imdb,roberta-base,full_ft,45.90,100,256\nimdb,roberta-base,p_tuning,49.69,120,256\n"
    )
    (tmp_path / "mine.toml").write_text(
        '[[grid]]\ndatasets = ["imdb"]\nmodels = ["roberta-base"]\nmethods = ["full_ft", "p_tuning"]\n'
        "[data]\nmax_length = 256\n"
        '[methods.p_tuning]\noptions = { num_virtual_tokens = 20, reparameterization = "none" }\n'
    )
    done = command("audit", "mine.csv", "--study", "mine.toml", "--no-memory", "--summary", cwd=tmp_path)
    assert done.returncode == 0
    assert "GFLOPs exact in 2 of 2 rows" in done.stdout
    assert "1 finding: 1 × Throughput that contradicts the FLOPs" in done.stdout


def test_tables_that_no_study_plans_are_checked_for_contradictions(tmp_path: Path) -> None:
    done = command("audit", "ia3", "--reports", "reports", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no number is compared. 1 finding: 1 × What the check of counts can and cannot decide (note)." in done.stdout
    assert "note: no study is planned: the 19 rows are checked for contradictions only" in done.stdout
    refused = command("audit", "ia3", "--run", "runs/mine", "--reports", "reports", cwd=tmp_path)
    assert "ia3 has no study, so a run cannot be compared; leave out --run" in refused.stderr


def test_a_markdown_table_is_audited(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text(
        "| Dataset | Model | Method | # Trainable Params | CoLA |\n|---|---|---|---|---|\n"
        "| imdb | roberta-base | full_ft | **124.6M**† | 63.6±.3 |\n"
    )
    (tmp_path / "mine.toml").write_text(
        '[[grid]]\ndatasets = ["imdb"]\nmodels = ["roberta-base"]\nmethods = ["full_ft"]\n'
    )
    done = command("audit", "mine.md", "--study", "mine.toml", "--no-memory", "--reports", "reports", cwd=tmp_path)
    assert "Trainable parameters exact in 1 of 1 rows" in done.stdout
    assert "note: mine.md line 1: left out 'CoLA': unknown column" in done.stdout
