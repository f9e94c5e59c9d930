"""Printed rows find their row of the plan by name, label or mapping, and say so where there is none."""

from pathlib import Path

import pytest

from bench.commands.audit.match import match
from bench.commands.audit.published import find, load
from bench.errors import DataError
from bench.plan.row import PlanRow
from tests.commands.audit.conftest import CAUSAL, MatchText, plan_row


def test_every_row_of_the_published_table_is_in_the_plan(paper_plan: tuple[PlanRow, ...]) -> None:
    rows = [row for row in match(load(find("paper")), paper_plan, CAUSAL) if row.table == "table3"]
    assert len({(row.plan.dataset, row.plan.model, row.plan.method) for row in rows if row.plan}) == 33


@pytest.mark.parametrize(
    "names", ["imdb,roberta-base,full_ft", "IMDb,RoBERTa-base,Full FT", "i_m-d b,Roberta.Base,FULL-FT"]
)
def test_names_and_labels_match_however_they_are_spelt(names: str, matched: MatchText) -> None:
    (row,) = matched("dataset,model,method,f1", f"{names},0.5")
    assert row.plan is not None
    assert (row.plan.dataset, row.plan.model, row.plan.method) == ("imdb", "roberta-base", "full_ft")


def test_a_row_that_the_study_does_not_have_is_said_and_not_fatal(matched: MatchText) -> None:
    rows = matched("dataset,model,method,f1", "imdb,roberta-base,lora,0.5", "imdb,GPT-2,lora,0.5",
                   "imdb,roberta-base,zero_shot,0.5")  # fmt: skip
    assert [row.plan is None for row in rows] == [False, True, True]
    assert rows[1].why == "not in the study: model 'GPT-2'"
    assert rows[2].why == "not in the study: zero_shot on roberta-base and imdb"
    assert rows[1].dataset == "imdb"


def test_a_table_without_any_row_of_the_study_is_refused(matched: MatchText) -> None:
    with pytest.raises(DataError, match=r"no row can be compared; line 2: .*'GPT-2'; known datasets: imdb, tweet"):
        matched("dataset,model,method,f1", "imdb,GPT-2,lora,0.5")


def test_a_label_of_two_rows_is_ambiguous_and_a_name_is_not(matched: MatchText) -> None:
    plan = [plan_row("d", "m", name, method_label="LoRA") for name in ("small", "large")]
    with pytest.raises(DataError, match=r"line 2, column method: 'LoRA' may be any of small, large"):
        matched("dataset,model,method,f1", "d,m,LoRA,0.5", plan=plan)
    (row,) = matched("dataset,model,method,f1", "d,m,small,0.5", plan=plan)
    assert row.plan is plan[0]


def test_two_printed_rows_cannot_be_one_row_of_the_plan(matched: MatchText) -> None:
    plan = [plan_row("imdb", "roberta-base", "full_ft", method_label="Tuned")]
    with pytest.raises(DataError, match=r"line 3: 'imdb, roberta-base, Full FT' is the same row .* as line 2"):
        matched("dataset,model,method,f1", "imdb,roberta-base,tuned,0.5", "imdb,roberta-base,Full FT,0.5", plan=plan)


def test_a_mapping_to_an_unknown_name_is_not_guessed(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("dataset,model,method,f1\nimdb,m,LoRA,0.5\nimdb,m,x,0.5\n", encoding="utf-8")
    names = tmp_path / "n.toml"
    names.write_text('[methods]\nLoRA = "Lo-RA"\n', encoding="utf-8")
    rows = match(load(table, names), [plan_row("imdb", "m", "lora"), plan_row("imdb", "m", "x")], ())
    assert rows[0].why == "not in the study: method 'Lo-RA'"
    assert rows[1].plan is not None
