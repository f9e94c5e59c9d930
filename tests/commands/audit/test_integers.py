"""Scores that no counts give: which rows of the published study, with what certainty, and what would explain them."""

from dataclasses import replace

import pytest

from bench.commands.audit import findings
from bench.commands.audit.match import match
from bench.commands.audit.published import find, load
from bench.plan.row import PlanRow
from tests.commands.audit.conftest import CAUSAL, COUNTS, MatchText

SCORES = "dataset,model,method,accuracy,precision,recall,f1"


def test_rows_of_the_published_study(paper_plan: tuple[PlanRow, ...]) -> None:
    rows = match(load(find("paper")), paper_plan, CAUSAL)
    accuracies = findings.accuracy_without_count(rows, COUNTS)
    assert [found.rows for found in accuracies] == [
        ("TweetEval, Llama-3-8B-Instruct + Zero-shot",), ("TweetEval, Qwen2.5-7B-Instruct + Zero-shot",),
        ("SST-5, Llama-3-8B-Instruct + Zero-shot",),
    ]  # fmt: skip
    assert "so that 1,420, 1,416, 1,412, 1,399 or some smaller numbers remained" in accuracies[0].text
    matrices = findings.no_confusion_matrix(rows, COUNTS)
    assert [found.rows for found in matrices] == [
        (f"IMDb, {model} + Zero-shot",)
        for model in ("Llama-3-8B-Instruct", "Mistral-7B-Instruct", "Qwen2.5-7B-Instruct")
    ]
    assert "if 6 or more answers were left out, for example as unparsable, so that 24,994 remained" in matrices[0].text
    # What trains nothing gives the same answers in each run, so several runs do not explain it.
    assert {found.severity for found in (*accuracies, *matrices)} == {"inconsistent"}
    (cut,) = findings.accuracy_cut(rows, COUNTS)
    assert (cut.rows, cut.severity) == (("SST-5, Qwen2.5-7B-Instruct + Zero-shot",), "note")


@pytest.mark.parametrize(
    ("method", "runs", "severity"), [("lora", "", "note"), ("lora", "1", "impossible"), ("lora", "4", None)]
)
def test_an_accusation_needs_the_number_of_runs(
    method: str, runs: str, severity: str | None, matched: MatchText
) -> None:
    (row,) = matched(SCORES, f"tweet_eval_emotion,roberta-base,{method},0.7570,,,")
    stated = row.row.stated.model_copy(update={"runs": int(runs) if runs else None})
    rows = [replace(row, row=replace(row.row, stated=stated))]
    found = findings.accuracy_without_count(rows, COUNTS)
    assert [each.severity for each in found] == ([severity] if severity else [])
    if severity == "note":
        assert found[0].text.endswith("The number of runs is not stated; the mean of 3 runs would fit.")


def test_nothing_is_accused_without_class_counts(matched: MatchText) -> None:
    rows = matched(SCORES, "tweet_eval_emotion,roberta-base,lora,0.7570,0.1,0.9,0.9")
    unknown: list[dict[str, dict[str, int]]] = [{}, {"tweet_eval_emotion": {}}, {"tweet_eval_emotion": {"anger": 0}}]
    for counts in unknown:
        assert findings.accuracy_without_count(rows, counts) == findings.no_confusion_matrix(rows, counts) == []
        (note,) = findings.undecided(rows, counts)
        assert "not held against counts, because the number of test texts per class is not known" in note.text


def test_a_class_without_texts_leaves_only_the_accuracy(matched: MatchText) -> None:
    rows = matched(SCORES, "imdb,roberta-base,lora,0.5050,0.1,0.9,0.9")
    counts = {"imdb": {"negative": 100, "positive": 0}}
    assert len(findings.accuracy_without_count(rows, counts)) == 1
    assert findings.no_confusion_matrix(rows, counts) == []


def test_what_is_undecided_is_said_with_the_power(matched: MatchText) -> None:
    (found,) = findings.undecided(matched(SCORES, "tweet_eval_emotion,roberta-base,lora,0.7720,,,0.7296"), COUNTS)
    assert "at most 86% (1 - n/10^d, at least 0). Not decidable: precision, and F1 inside the bounds" in found.text
    (accuracy_only,) = findings.undecided(matched(SCORES, "imdb,roberta-base,lora,0.9,,,"), COUNTS)
    assert "Not decidable" not in accuracy_only.text


def test_averages_that_fit_no_common_way_are_inconsistent(matched: MatchText) -> None:
    zero_shot = "imdb,{},zero_shot,{}"
    rows = matched(
        SCORES, zero_shot.format("llama-3-8b-instruct", "0.9565,0.9567,0.9565,0.9565"),
        zero_shot.format("qwen2.5-7b-instruct", "0.9692,0.9660,0.9726,0.9693"),
    )  # fmt: skip
    (found,) = findings.averages_mixed(rows, COUNTS)
    assert found.severity == "inconsistent"
    assert "No one average fits all of these rows" in found.text


@pytest.mark.parametrize("accuracy", ["0.7570±0.0031", "0.7570+-0.0031", "0.7570 +/- 0.0031", "0.7570-0.7571"])
@pytest.mark.parametrize("runs", [None, 1])
def test_a_mean_with_a_spread_or_a_range_is_not_held_against_counts(
    accuracy: str, runs: int | None, matched: MatchText
) -> None:
    (row,) = matched(SCORES, f"tweet_eval_emotion,llama-3-8b-instruct,zero_shot,{accuracy},0.1,0.9,0.9")
    stated = row.row.stated.model_copy(update={"runs": runs})
    rows = [replace(row, row=replace(row.row, stated=stated))]
    assert findings.accuracy_without_count(rows, COUNTS) == findings.no_confusion_matrix(rows, COUNTS) == []
