"""Who leads with how many trials, and how often a leader is named among equal methods."""

from statistics import fmean

import numpy as np
import pytest

from bench.report.analysis.expected_best import ExpectedBest, curve
from bench.report.analysis.search_leaders import leaders, sentence


def line(*values: float, margin: float | None = 0.01) -> list[ExpectedBest]:
    return [
        ExpectedBest(at, value, margin and value - margin, margin and value + margin)
        for at, value in enumerate(values, start=1)
    ]


def test_a_leader_changes_with_the_budget() -> None:
    curves = {"BitFit": line(0.6, 0.61, 0.62, 0.63), "LoRA": line(0.5, 0.61, 0.7, 0.8)}
    assert leaders(curves) == ["BitFit", None, "LoRA", "LoRA"]
    assert sentence(curves) == (
        "with 1 trial, BitFit has the highest expected best validation F1; with 2 trials, no method is told apart; "
        "with 3 to 4 trials, LoRA has the highest expected best validation F1"
    )


def test_every_other_method_must_lie_below() -> None:
    curves = {"a": line(0.9), "b": line(0.5), "c": line(0.885)}
    assert leaders(curves) == [None]
    assert sentence(curves) == (
        "with 1 trial, the intervals tell no method apart as the one with the highest expected best validation F1"
    )


def test_no_interval_no_leader() -> None:
    assert leaders({"a": line(0.9, margin=None), "b": line(0.5)}) == [None]
    assert leaders({"a": line(0.9), "b": line(0.5, margin=None)}) == [None]


def test_budgets_end_with_the_shortest_search() -> None:
    assert leaders({"a": line(0.9, 0.9, 0.9), "b": line(0.5)}) == ["a"]


def test_one_method_has_no_rival() -> None:
    assert (leaders({"a": line(0.9)}), sentence({"a": line(0.9)}), sentence({})) == ([], "", "")


@pytest.mark.parametrize("count", [2, 6])
def test_equal_methods_seldom_have_a_leader(count: int) -> None:
    rng = np.random.default_rng(4)
    tables = [{str(at): curve(rng.normal(0.7, 0.03, 15).tolist()) for at in range(count)} for _ in range(100)]
    assert fmean(any(leaders(table)) for table in tables) <= 0.08


def test_methods_far_apart_have_one() -> None:
    rng = np.random.default_rng(5)
    found = leaders({name: curve(rng.normal(f1, 0.02, 15).tolist()) for name, f1 in (("a", 0.8), ("b", 0.6))})
    assert found == ["a"] * 15
