"""Ranks with what intervals allow."""

import pytest

from bench.report.charts import figure
from bench.report.charts.plots import ranks
from tests.known import known
from tests.report.charts.plots.frames import row, study, table
from tests.report.drawn import HOSTILE, colours, compiled, marks, texts


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([(0.9, 0.85, 0.95), (0.5, 0.45, 0.55)], [(1, 1, 1), (2, 2, 2)]),
        ([(0.9, 0.5, 1.0), (0.8, 0.4, 0.9)], [(1, 1, 2), (2, 1, 2)]),
        # a touches b, b touches c, a lies wholly above c
        ([(0.9, 0.8, 1.0), (0.7, 0.6, 0.8), (0.5, 0.4, 0.6)], [(1, 1, 2), (2, 1, 3), (3, 2, 3)]),
        ([(0.5, None, None), (0.9, 0.89, 0.91), (0.1, 0.09, 0.11)], [(2, 1, 3), (1, 1, 2), (3, 2, 3)]),
        ([(0.5, 0.4, 0.6), (0.5, 0.4, 0.6), (0.1, 0.0, 0.2)], [(1.5, 1, 2), (1.5, 1, 2), (3, 3, 3)]),
        ([(0.5, None, None)], [(1, 1, 1)]),
    ],
)
def test_ranks(values: list[ranks.Estimate], wanted: list[tuple[float, int, int]]) -> None:
    assert ranks.ranks(values) == wanted


def test_a_panel_a_dataset_and_model(capfd: pytest.CaptureFixture[str]) -> None:
    spec = known(ranks.spec(study()))
    compiled(spec, capfd)
    svg = figure.svg(spec)
    assert [len(group) for group in marks(svg, "symbol")] == [6] * 12
    assert [len(group) for group in marks(svg, "rule")] == [6] * 12
    found = texts(svg)
    assert "RoBERTa-base / IMDb" in found
    assert found[: found.index("Rank by macro F1, 1 is the best")] == ["1", "2", "3", "4", "5", "6"]
    assert "the 95 % intervals" in spec["usermeta"]["caption"]
    assert colours(spec) == []


def test_one_method_has_no_rank() -> None:
    assert ranks.spec(study(methods=["LoRA"])) is None
    assert ranks.spec(table([])) is None
    assert ranks.spec(table([row(method="a", macro_f1_mean=0.5), row(method="b")])) is None


def test_panels_are_limited() -> None:
    spec = known(ranks.spec(study([f"d{i}" for i in range(8)])))
    assert "Drawn are the first 24 of 32 pairs of dataset and model." in spec["usermeta"]["caption"]
    assert len({value["panel"] for value in spec["data"]["values"]}) == 24


@pytest.mark.parametrize("texts", [HOSTILE[:24], HOSTILE[24:]], ids=["first", "rest"])
def test_hostile_names(texts: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    spec = known(ranks.spec(table([row(text, text, name, macro_f1_mean=0.5) for text in texts for name in texts[:5]])))
    compiled(spec, capfd)
