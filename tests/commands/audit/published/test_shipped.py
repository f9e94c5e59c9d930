"""The shipped tables of others: they load, and every accusation is computed and judged by hand."""

import json
from collections import Counter

import pytest

from bench.commands.audit.published import Published, load
from bench.commands.audit.published.folder import shipped
from bench.commands.audit.result import audit
from bench.plan.plan import Plan
from bench.study.request import Request
from bench.study.study import load_study
from tests.commands.audit.published.claims import VERDICTS, Claim, read_claims
from tests.commands.audit.published.page import PAGE, TABLES, VERDICT_COUNTS, audited, page

FOLDERS = shipped()
CLAIMS = [(name, claim) for name in TABLES for claim in read_claims(FOLDERS[name])]
#: Rows of each folder, and how many claims of each verdict were judged.
ROWS = {
    "lora": 16, "vera": 24, "dora": 25, "adalora": 12, "ia3": 19, "qlora": 6, "galore": 25, "fourierft": 20, "peft": 29,
    "gpu_memory": 12,
}  # fmt: skip


def loaded(name: str) -> Published:
    return load(FOLDERS[name])


def test_ten_tables_are_shipped() -> None:
    assert set(TABLES) == set(ROWS)
    assert {name: sum(len(table.rows) for table in loaded(name).tables) for name in TABLES} == ROWS


@pytest.mark.parametrize("name", TABLES)
def test_a_table_names_its_source(name: str) -> None:
    source = loaded(name).source
    assert "arXiv" in source or " at commit " in source


@pytest.mark.parametrize(("name", "claim"), CLAIMS, ids=[f"{name}-{claim.table}-{claim.row}" for name, claim in CLAIMS])
def test_a_computation_supports_its_verdict(name: str, claim: Claim) -> None:
    assert claim.verdict in VERDICTS
    number = claim.number(loaded(name))
    assert claim.fits(number), (number.text, float(claim.value))


def test_what_cannot_be_right_was_judged() -> None:
    """A further accusation needs a look at the paper, so it needs a change here."""
    accused = {(name, claim.row) for name, claim in CLAIMS if claim.verdict == "cannot be right"}
    assert accused == {("vera", "counts, RoBERTa large, VeRA r=16"), ("fourierft", "counts, GPT-2 Medium, LoRA r=4")}


@pytest.mark.parametrize("name", [name for name in TABLES if loaded(name).study is None])
def test_without_a_plan_nothing_is_accused(name: str) -> None:
    found = audit(loaded(name), (), {}, study="none", causal=())
    assert {each.severity for each in found.findings} <= {"note"}
    assert found.checks == ()


@pytest.mark.slow
def test_the_audit_has_the_verdicts_of_the_page() -> None:
    assert audited("adalora") == json.loads(VERDICT_COUNTS.read_text(encoding="utf-8"))["adalora"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adalora", "lora"])
def test_every_difference_from_the_plan_is_explained(name: str) -> None:
    """A figure that differs from the plan has a claim that says under which convention it is exact, or why not."""
    published = loaded(name)
    study = load_study(str(FOLDERS[name] / "study.toml"))
    plan = Plan(Request(study=study), with_memory=False)
    found = audit(published, [plan.row(cell) for cell in plan.cells], {}, study=study.name, causal=())
    assert found.findings == ()
    claimed = {(claim.row, claim.column) for claim in read_claims(FOLDERS[name])}
    differing = {
        (f"{check.dataset}, {check.model}, {check.method}", check.quantity)
        for check in found.checks
        if check.verdict == "differs"
    }
    assert differing <= claimed


def test_the_page_is_that_of_the_claims() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
    assert Counter(claim.verdict for _, claim in CLAIMS)["exact"] > 50
