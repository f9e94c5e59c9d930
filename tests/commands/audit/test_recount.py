"""Columns are judged by the convention that makes all their rows agree, which is named."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.commands.audit.compare import AuditedNumber
from bench.commands.audit.published import load
from bench.commands.audit.result import audit
from bench.plan.row import ParameterParts, PlanRow
from tests.commands.audit.conftest import plan_row

#: RoBERTa-base with two classes and LoRA of rank 8 on query and value: the head is trained as a copy.
LORA = plan_row(
    "d", "roberta-base", "lora", trainable_params=887_042, total_params=125_534_212, logical_params=125_534_212,
    forward_flops=46_054_600_000,
    parts=ParameterParts(
        head=2 * 592_130, trainable_head=592_130, copies=592_130, head_copies=592_130, embeddings=38_999_040
    ),
)  # fmt: skip
FULL = plan_row(
    "d", "roberta-base", "full_ft", trainable_params=124_647_170, total_params=124_647_170, logical_params=124_647_170,
    forward_flops=45_903_600_000,
    parts=ParameterParts(
        head=592_130, trainable_head=592_130, embeddings=38_999_040, trainable_embeddings=38_999_040
    ),
)  # fmt: skip


#: LoRA of rank 16.
WIDER = LORA.model_copy(update={"method": "wider", "trainable_params": 1_181_954})


def checks(tmp_path: Path, column: str, numbers: Sequence[str], stated: str = "") -> list[AuditedNumber]:
    """The numbers of a column with a row for LoRA and, if more are given, Full FT and LoRA of a higher rank."""
    rows: list[PlanRow] = [LORA, FULL, WIDER][: len(numbers)]
    lines = [f"d,roberta-base,{row.method},{number}" for row, number in zip(rows, numbers, strict=True)]
    (tmp_path / "mine.csv").write_text("\n".join((f"dataset,model,method,{column}", *lines)) + "\n")
    (tmp_path / "names.toml").write_text(f"[stated]\n{stated}\n")
    published = load(tmp_path / "mine.csv", tmp_path / "names.toml")
    return list(audit(published, rows, {}, study="s", causal=()).checks)


@pytest.mark.parametrize(
    ("column", "numbers", "condition"),
    [
        ("trainable_params_million", ["0.3"], "exact if the head is not counted"),
        ("trainable_params", ["294912"], "exact if the head is not counted"),
        ("trainable_params", ["294912", "124055040"], "exact if the head is not counted"),
        ("trainable_params", ["294912", "85056000"], "exact if the head is not counted and embeddings are not counted"),
        ("total_params", ["124942082"], "exact if saved copies are not counted"),
        ("total_params", ["85942"], ""),  # no convention
        ("total_params_million", ["125.5", "124.6"], ""),  # as this project counts
        ("total_params_million", ["125.53", "124.64"], "exact if digits are cut, not rounded"),
        ("gflops", ["23.03", "22.95"], "exact if a multiply-add is counted as 1; at the plan's 256 tokens"),
        ("gflops", ["23.03", "45.90"], ""),  # not one convention for both
        ("gmacs", ["23.03", "22.95"], ""),  # the unit says it
    ],
)
def test_the_convention_is_named(tmp_path: Path, column: str, numbers: list[str], condition: str) -> None:
    found = checks(tmp_path, column, numbers)
    if condition:
        assert {(check.verdict, check.explanation) for check in found} == {("exact", condition)}
    else:
        assert not any("exact if" in check.explanation for check in found)


def test_a_stated_convention_is_a_fact_and_excludes_the_others(tmp_path: Path) -> None:
    (found,) = checks(tmp_path, "trainable_params", ["294912"], "counts_head = false")
    assert (found.verdict, found.explanation) == ("exact", "the head is not counted, as stated")
    assert found.computed == 294_912
    (found,) = checks(tmp_path, "trainable_params", ["294912"], "counts_head = true")
    assert (found.verdict, found.computed) == ("differs", 887_042)
    (found,) = checks(tmp_path, "trainable_params", ["887042"], "counts_head = false")
    assert (found.verdict, found.computed) == ("differs", 294_912)


@pytest.mark.parametrize("multiply_add", [1, 2])
def test_a_column_of_macs_agrees_with_what_is_stated_of_flops(tmp_path: Path, multiply_add: int) -> None:
    found = checks(tmp_path, "gmacs", ["23.03", "22.95"], f"multiply_add = {multiply_add}")
    assert [check.verdict for check in found] == ["exact", "exact"]
    found = checks(tmp_path, "gflops", ["23.03", "22.95"], f"multiply_add = {multiply_add}")
    assert [check.verdict == "exact" for check in found] == [multiply_add == 1] * 2


def test_a_convention_of_most_rows_is_named_for_these(tmp_path: Path) -> None:
    lora, full, wider = checks(tmp_path, "trainable_params_million", ["0.29", "125.0", "0.59"])
    said = "exact if the head is not counted; 2 of 3 rows are exact so"
    assert (lora.verdict, lora.explanation) == (wider.verdict, wider.explanation) == ("exact", said)
    assert (full.verdict, full.explanation) == ("within", "0.28% above")


def test_a_row_that_no_convention_suits_is_judged_by_what_is_stated(tmp_path: Path) -> None:
    lora, full, wider = checks(tmp_path, "trainable_params_million", ["0.29", "125.0", "0.58"], "counts_head = false")
    assert (lora.explanation, full.explanation) == ("the head is not counted, as stated",) * 2
    assert full.verdict == "within"
    assert full.computed == pytest.approx(124.05504)
    said = "exact if digits are cut, not rounded; the head is not counted, as stated"
    assert wider.explanation == f"{said}; 2 of 3 rows are exact so"


def test_a_factor_replaces_a_huge_percentage(tmp_path: Path) -> None:
    (found,) = checks(tmp_path, "gflops", ["1e30"])
    assert found.explanation == "2.17e+28 times as much, at the plan's 256 tokens"
