"""What the audit says of tables with a known truth: it accuses no true one, and finds a wrong digit.

The figures of docs/auditing.md are those of ``TUNEBENCH_SIMULATIONS=full``, which prints them and takes minutes.
"""

import os

import numpy as np
import pytest

from bench.commands.audit.findings import find_all
from bench.plan.row import PlanRow
from tests.commands.audit.conftest import MatchText, plan_row
from tests.commands.audit.true_tables import TrueTables, Way, accusations, small_plan

FULL = os.environ.get("TUNEBENCH_SIMULATIONS") == "full"
TABLES, ERRORS = (10_000, 4_000) if FULL else (60, 300)
COUNTED = ("trainable_params", "total_params", "flops")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> TrueTables:
    folder = tmp_path_factory.mktemp("true")
    return TrueTables(folder, small_plan(folder))


@pytest.mark.slow
@pytest.mark.timeout(3600 if FULL else 300)
def test_no_true_table_is_accused(tables: TrueTables) -> None:
    random = np.random.default_rng(21)
    for number in range(TABLES):
        way = Way.drawn(random)
        text, found = tables.audited(random, way)
        assert accusations(found) == [], f"table {number}, {way}\n{text}"
        wrong = [
            check for check in found.checks if check.quantity in COUNTED and check.verdict in ("within", "differs")
        ]
        assert wrong == [], f"table {number}, {way}\n{text}"


def changed(text: str, random: np.random.Generator) -> str:
    """A number with one of its four decimals replaced by another digit."""
    at = int(random.integers(len(text) - 4, len(text)))
    return f"{text[:at]}{(int(text[at]) + int(random.integers(1, 10))) % 10}{text[at + 1 :]}"


@pytest.mark.parametrize("num_texts", ["100 to 1500", 1421])
def test_a_wrong_digit_is_found(num_texts: int | str, matched: MatchText) -> None:
    """One of the accuracies of six rows with four digits is wrong in one digit."""
    random = np.random.default_rng(21)
    rows: list[PlanRow] = [plan_row("d", "m", f"x{number}", num_labels=2) for number in range(6)]
    hits = 0
    for _ in range(ERRORS):
        texts = num_texts if isinstance(num_texts, int) else int(random.integers(100, 1501))
        printed = [f"{random.integers(texts // 2, texts) / texts:.4f}" for _ in rows]
        printed[0] = changed(printed[0], random)
        lines = [f"d,m,{row.method},{accuracy}" for row, accuracy in zip(rows, printed, strict=True)]
        found = find_all(
            matched("dataset,model,method,accuracy", *lines, plan=rows),
            {"d": {"a": texts // 2, "b": texts - texts // 2}},
        )
        accused = {
            place
            for finding in found
            if finding.kind in ("accuracy_without_count", "accuracy_cut")
            for place in finding.places
        }
        assert accused <= {("table", 2, "accuracy")}
        hits += ("table", 2, "accuracy") in accused
    if FULL:
        print(f"\n{num_texts} texts: {hits / ERRORS:.3f} of wrong digits found")
    assert hits / ERRORS >= 0.8
