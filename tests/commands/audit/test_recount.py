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


def checks(tmp_path: Path, column: str, numbers: Sequence[str], stated: str = "") -> list[AuditedNumber]:
    """The numbers of a column with a row for LoRA and, if two are given, one for Full FT."""
    rows: list[PlanRow] = [LORA, FULL][: len(numbers)]
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
