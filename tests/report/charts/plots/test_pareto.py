"""F1 against a cost: the front, its axes, and another metric in the same spec."""

import copy
import json
from typing import Any

import pandas as pd
import pytest
import vl_convert

from bench.report.charts import figure
from bench.report.charts.plots import pareto
from bench.report.charts.plots.metrics import metrics
from tests.known import known
from tests.report.charts.plots.frames import DATASETS, row, study, table
from tests.report.drawn import HOSTILE, colours, compiled, marks, texts


def drawn(frame: pd.DataFrame, *metrics: str) -> dict[str, Any]:
    return known(pareto.spec(frame, *metrics))


def front(spec: dict[str, Any]) -> list[list[tuple[float, float]]]:
    """The points of the front that Vega finds, a list a panel, in the order of the line."""
    flat = copy.deepcopy(spec)
    flat["spec"]["layer"] = flat["spec"]["layer"][:1]
    scene = vl_convert.vegalite_to_scenegraph(flat, vl_version=figure.VEGA_LITE)
    found: list[list[tuple[float, float]]] = []

    def look(item: Any) -> None:
        if isinstance(item, dict):
            if item.get("marktype") == "line":
                found.append([(round(each["x"], 3), round(each["y"], 3)) for each in item["items"]])
            for inner in item.values():
                look(inner)
        elif isinstance(item, list):
            for inner in item:
                look(inner)

    look(scene)
    return found


def test_the_front_is_what_nothing_surpasses_in_both() -> None:
    points = [(3, 0.1), (1, 0.1), (2, 0.3), (2, 0.2), (4, 0.5), (5, 0.5), (6, 0.4)]
    rows = [row(method=f"m{i}", train_seconds=x, macro_f1_mean=y) for i, (x, y) in enumerate(points)]
    (found,) = front(drawn(table(rows), "train_seconds"))
    (x1, y1), (x2, y2), (x3, y3) = found
    assert (x2 - x1) / (x3 - x1) == pytest.approx((2 - 1) / (4 - 1), abs=1e-3)
    assert (y2 - y1) / (y3 - y1) == pytest.approx((0.3 - 0.1) / (0.5 - 0.1), abs=1e-3)


def test_where_more_is_better_the_front_goes_the_other_way() -> None:
    rates = [(10, 0.9), (20, 0.8), (15, 0.7), (30, 0.6)]
    frame = table([row(method=str(x), train_samples_per_second_mean=x, macro_f1_mean=y) for x, y in rates])
    (found,) = front(drawn(frame, "train_samples_per_second"))
    assert len(found) == 3
    assert [x for x, _ in found] == sorted((x for x, _ in found), reverse=True)


def test_two_costs_and_two_gains() -> None:
    names = ("train_seconds", "peak_train_mb", "train_samples_per_second_mean", "inference_samples_per_second_mean")
    costs = [(1, 3), (2, 2), (3, 1), (3, 3)]
    frame = table([row(method=str(i)) | dict(zip(names, each * 2, strict=True)) for i, each in enumerate(costs)])
    assert [len(found) for found in front(drawn(frame, "train_seconds", "peak_train_mb"))] == [3]
    gains = drawn(frame, "train_samples_per_second", "inference_samples_per_second")
    assert [len(found) for found in front(gains)] == [1]


def test_a_panel_a_dataset_with_a_front_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    spec = drawn(study())
    compiled(spec, capfd)
    assert len(front(spec)) == 3
    svg = figure.svg(spec)
    assert set(DATASETS) <= set(texts(svg))
    assert [len(group) for group in marks(svg, "symbol")] == [24, 24, 24]
    assert [len(group) for group in marks(svg, "rule")] == [0, 24] * 3
    assert colours(spec) == []
    assert "n = 72 rows, each the mean over 3 seeds." in spec["usermeta"]["caption"]
    assert "front of the means" in spec["usermeta"]["caption"]


def test_axes_have_units_and_say_which_way_is_better() -> None:
    found = texts(figure.svg(drawn(study())))
    assert "Trainable parameters (M), less is better" in found
    assert "Macro F1, more is better" in found


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1, 99], None), ([1, 101], "log"), ([0, 1, 99], None), ([0, 1, 101], "symlog"), ([5], None), ([0], None)],
)
def test_a_span_over_two_decades_is_logarithmic(values: list[float], kind: str | None) -> None:
    encoding = metrics()["train_seconds"].encoding([(value, None, None) for value in values])
    assert encoding["scale"].get("type") == kind
    assert (0 in encoding.get("axis", {}).get("values", [])) == (kind == "symlog")


def test_an_interval_that_reaches_zero_is_drawn_whole(capfd: pytest.CaptureFixture[str]) -> None:
    speed = "train_samples_per_second"
    rows = [
        row(method=str(mean), macro_f1_mean=0.5)
        | {f"{speed}_mean": mean, f"{speed}_low": low, f"{speed}_high": 2 * mean}
        for mean, low in ((1.0, 0.0), (500.0, 400.0))
    ]
    spec = drawn(table(rows), speed)
    compiled(spec, capfd)
    assert spec["spec"]["encoding"]["x"]["scale"]["type"] == "symlog"
    assert [len(group) for group in marks(figure.svg(spec), "rule")] == [2, 0]


def test_names_stand_at_the_front_of_one_model_alone() -> None:
    assert texts(figure.svg(drawn(study(models=["RoBERTa-base"])))).count("Full FT") > 1
    assert texts(figure.svg(drawn(study()))).count("Full FT") == 1


def test_rows_without_one_of_both_are_counted_and_not_drawn() -> None:
    spec = drawn(study(), "train_samples_per_second")
    assert "12 rows have only one of the two and are not drawn." in spec["usermeta"]["caption"]
    assert sum(len(group) for group in marks(figure.svg(spec), "symbol")) == 60
    assert pareto.spec(study(), "inference_samples_per_second") is None
    assert pareto.spec(table([])) is None


def test_another_metric_in_the_same_spec(capfd: pytest.CaptureFixture[str]) -> None:
    """What a page's script does, see the module, gives the chart that is made anew."""
    frame = study()
    spec, choices = drawn(frame), pareto.choices(frame)
    assert "inference_samples_per_second" not in choices
    json.dumps(choices, allow_nan=False)
    for axis, name in (("x", "train_samples_per_second"), ("y", "train_seconds")):
        chosen = choices[name]
        for value, numbers in zip(spec["data"]["values"], chosen["values"], strict=True):
            value |= {f"{axis}{end}": number for end, number in zip(("", "_low", "_high"), numbers, strict=True)}
        spec["spec"]["encoding"][axis] = chosen["encoding"] | {"field": axis}
        for line in spec["spec"]["encoding"]["tooltip"]:
            line["title"] = chosen["name"] if line["field"] == axis else line["title"]
        for param in spec["params"]:
            param["value"] = chosen["sign"] if param["name"] == f"{axis}_sign" else param["value"]
    compiled(spec, capfd)
    anew = drawn(frame, "train_samples_per_second", "train_seconds")
    for part in ("data", "spec", "params", "transform", "facet"):
        assert spec[part] == anew[part]


def test_more_categories_than_looks() -> None:
    spec = drawn(study(["d"], [f"model {i}" for i in range(30)], [f"method {i}" for i in range(26)]))
    caption = spec["usermeta"]["caption"]
    for text in (
        "first 24 of 30 models",
        "first 24 of 26 methods",
        "Colours repeat after 8 methods",
        "Shapes repeat after 7",
    ):
        assert text in caption
    assert len(spec["data"]["values"]) == 24 * 24


@pytest.mark.parametrize("names", [HOSTILE[:24], HOSTILE[24:], ["a", "a\n", "a\t"]], ids=["first", "rest", "alike"])
def test_hostile_names(names: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    spec = drawn(table([row(text, text, text, trainable_params=1, macro_f1_mean=0.5) for text in names]))
    compiled(spec, capfd)
    assert len({value["method"] for value in spec["data"]["values"]}) == len(names)


@pytest.mark.parametrize("number", [float("inf"), float("nan"), -1.0, 0.0, 1e300, 1e-300, 10**400])
def test_strange_numbers(number: float, capfd: pytest.CaptureFixture[str]) -> None:
    rows = [
        row(method="a", train_seconds=number, macro_f1_mean=0.5),
        row(method="b", train_seconds=3.0, macro_f1_mean=0.6),
    ]
    spec = drawn(pd.DataFrame(rows), "train_seconds")
    compiled(spec, capfd)
    assert figure.svg(spec)
