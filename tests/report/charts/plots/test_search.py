"""Expected best F1 by number of trials: lines, bands and panels."""

from typing import Any

import pytest

from bench.report.analysis.expected_best import curve
from bench.report.charts import figure
from bench.report.charts.plots import search
from tests.known import known
from tests.report.drawn import HOSTILE, colours, compiled, marks, texts


def points(dataset: str, model: str, method: str, scores: list[float]) -> list[dict[str, Any]]:
    names = {"dataset": dataset, "model": model, "method": method}
    return [
        {**names, "trials": one.trials, "expected_best_macro_f1": one.value, "low": one.low, "high": one.high}
        for one in curve(scores)
    ]


def study(datasets: int = 2) -> list[dict[str, Any]]:
    return [
        point
        for dataset in range(datasets)
        for method, scores in (("LoRA", [0.5, 0.7, 0.6]), ("BitFit", [0.4, 0.5, 0.6, 0.5]))
        for point in points(f"D{dataset}", "M", method, scores)
    ]


def test_a_line_and_a_band_for_each_method_in_a_panel_for_each_dataset(capfd: pytest.CaptureFixture[str]) -> None:
    spec = known(search.spec(study()))
    compiled(spec, capfd)
    svg = figure.svg(spec)
    assert len(marks(svg, "area")) == len(marks(svg, "line")) == 4
    assert sum(map(len, marks(svg, "symbol"))) == 14
    assert {"D0", "D1", "LoRA", "BitFit", "Trials", search.Y} <= set(texts(svg))
    assert "n = 4 trials of each search at most." in spec["usermeta"]["caption"]
    assert colours(spec) == []


def test_the_axis_is_logarithmic(capfd: pytest.CaptureFixture[str]) -> None:
    spec = known(search.spec(points("D", "M", "LoRA", [at / 20 for at in range(15)])))
    found = texts(figure.svg(spec))
    assert found[: found.index("Trials")][-6:] == ["1", "2", "3", "5", "10", "15"]
    assert spec["spec"]["layer"][1]["encoding"]["x"]["scale"]["type"] == "log"


def test_a_search_without_an_interval_has_no_band(capfd: pytest.CaptureFixture[str]) -> None:
    spec = known(search.spec(points("D", "M", "LoRA", [0.5])))
    compiled(spec, capfd)
    assert [len(group) for group in marks(figure.svg(spec), "symbol")] == [1]


def test_no_search_no_chart() -> None:
    assert search.spec([]) is None


@pytest.mark.parametrize("names", [HOSTILE[:24], HOSTILE[24:]], ids=["first", "rest"])
def test_hostile_names(names: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    rows = [point for name in names for point in points(name, name, name, [0.5, 0.6])]
    compiled(known(search.spec(rows)), capfd)
