"""Every check has a scope, and the scopes are fields of a record."""

import ast
from collections.abc import Iterator

import pytest

from bench.record.check_scopes import PEAKS, SCOPES, SCORES, TIMED, doubted
from bench.record.record import Check, Record
from tests.support import ROOT

MAKERS = ("bench/run/worker/checks.py", "bench/run/worker/lost_time.py")
REPORTS = ("expert_ablation", "minilm_real", "repeatability")


def failed(name: str) -> Check:
    return Check(name=name, verdict="suspect", found="1")


def names() -> Iterator[str]:
    """The names that the code gives to checks, with each pass or memory in its place."""
    for maker in MAKERS:
        for node in ast.walk(ast.parse((ROOT / maker).read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check"):
                continue
            name = node.args[0]
            if isinstance(name, ast.Constant):
                yield str(name.value)
            elif isinstance(name, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in name.values]
                form = "".join(parts)
                yield from (
                    form.format(of)
                    for of in (("train", "inference") if "memory" in form else ("training", "inference"))
                )


def test_every_check_that_the_code_makes_has_a_scope() -> None:
    found = set(names())
    assert len(found) > 15
    assert found <= set(SCOPES)
    assert "clock" in SCOPES  # bench/run/marks.py


def test_every_check_of_the_committed_reports_has_a_scope() -> None:
    found = {
        check.name
        for report in REPORTS
        for line in (ROOT / "reports" / report / "records.jsonl").read_text(encoding="utf-8").splitlines()
        for check in Record.model_validate_json(line).checks
    }
    assert {name for name in found if not name.endswith(SCORES)} <= set(SCOPES)


def test_scopes_are_fields_of_a_record_and_never_quality_or_counts() -> None:
    fields = {field for scope in SCOPES.values() for field in scope}
    assert fields <= set(Record.model_fields)
    assert not fields & {"quality", "generation", "parameters", "flops", "artifact_bytes", "validation_macro_f1"}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("stationary training", ("training",)), ("undisturbed inference", ("inference", "latency")),
        (f"padding{SCORES}", ()), ("a check of a later version", (*TIMED, *PEAKS)),
    ],
)  # fmt: skip
def test_known_scopes(name: str, wanted: tuple[str, ...]) -> None:
    assert doubted(failed(name)) == wanted
