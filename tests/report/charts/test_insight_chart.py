"""Charts of insights: what is drawn of each kind, what is left out, and what hostile data cannot do."""

import itertools
import json
import math
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.method.insight import Insight, Value
from bench.report.charts import figure, insight_chart
from tests.report.drawn import HOSTILE, KINDS, bars, colours, compiled, heatmap, insight, lines, marks, scatter, texts


def values(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The data of a spec."""
    found: list[dict[str, Any]] = spec["data"]["values"]
    return found


def caption(spec: dict[str, Any]) -> str:
    return str(spec["usermeta"]["caption"])


def layer(spec: dict[str, Any], mark: str) -> dict[str, Any]:
    """The layer of a mark."""
    view = spec.get("spec", spec)
    found: dict[str, Any] = next(each for each in view["layer"] if each["mark"]["type"] == mark)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    spec = insight_chart.spec(KINDS[kind](caption="Of costs $5 and $6, n = 12 texts."))
    compiled(spec, capfd)
    found = texts(figure.svg(spec))
    assert {"A title", "across", "upwards"} <= set(found)
    assert any(text.startswith("Of costs $5 and $6, n = 12 texts.") for text in found)
    assert ("lift" in found, spec["usermeta"]["title"]) == (kind == "heatmap", "A title")
    assert (spec["usermeta"]["columns"]["x"], colours(spec)) == ("across", [])
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


@pytest.mark.parametrize("kind", KINDS)
def test_a_tooltip_on_every_mark_of_data(kind: str) -> None:
    spec = insight_chart.spec(KINDS[kind]())
    drawn = [each for each in spec.get("spec", spec)["layer"] if each["mark"]["type"] not in ("rule", "text")]
    assert drawn
    for each in drawn:
        assert {"panel", "colour", "x", "y"} & {line["field"] for line in each["encoding"]["tooltip"]}


class TestHeatmap:
    def test_values_stand_in_few_cells(self) -> None:
        found = texts(figure.svg(insight_chart.spec(heatmap())))
        assert found[found.index("0.50") :][:5] == ["0.50", "0.25", "0.00", "−0.25", "1.50"]
        assert {"layer 5", "layer 11"} <= set(found)
        assert len([text for text in found if text[-3:-2] == "."]) == 24

    def test_text_stands_out_on_its_cell_in_both_themes(self) -> None:
        for theme, light_text in (("light", "3.10"), ("dark", "−0.25")):
            drawn = ElementTree.fromstring(figure.svg(insight_chart.spec(heatmap()), theme))  # type: ignore[arg-type]
            fills = {"".join(each.itertext()): each.get("fill") for each in drawn.iter() if each.tag.endswith("text")}
            assert (fills[light_text], {fills["3.10"], fills["−0.25"]}) == ("white", {"white", "black"})

    def test_an_unknown_value_is_struck_through(self) -> None:
        content = heatmap()
        content = content.model_copy(
            update={"columns": {**content.columns, "value": (None, math.nan, *content.columns["value"][2:])}}
        )
        drawn = figure.svg(insight_chart.spec(content))
        assert [len(group) for group in marks(drawn, "rect")] == [10, 12]
        assert sum(len(group) for group in marks(drawn, "symbol")) == 2
        assert len(values(insight_chart.spec(content))) == 24

    def test_a_pair_that_no_row_names_is_unknown(self) -> None:
        spec = insight_chart.spec(insight("heatmap", {"x": ["a", "b"], "y": ["u", "v"], "value": [1, 2]}))
        assert [(row["x"], row["y"], row["value"]) for row in values(spec)] == [
            ("a", "u", 1), ("b", "u", None), ("a", "v", None), ("b", "v", 2)
        ]  # fmt: skip

    def test_many_cells_have_no_text(self) -> None:
        assert {each["mark"]["type"] for each in insight_chart.spec(heatmap(11, 10))["spec"]["layer"]} == {
            "rect",
            "point",
        }

    def test_a_centre_has_as_much_room_on_both_sides(self) -> None:
        scale = layer(insight_chart.spec(heatmap(centre=1.0)), "rect")["encoding"]["color"]["scale"]
        assert scale["range"] == "diverging"
        assert scale["domain"] == pytest.approx([-1.1, 3.1])
        drawn = figure.svg(insight_chart.spec(heatmap(centre=1.0)))
        assert "rgb(247, 247, 247)" in drawn or "#f7f7f7" in drawn

    def test_without_a_centre_the_scale_spans_all_panels(self) -> None:
        scale = layer(insight_chart.spec(heatmap()), "rect")["encoding"]["color"]["scale"]
        assert (scale["domain"], scale["range"]) == ([-0.25, 3.1], "heatmap")
        one = insight("heatmap", {"x": ["a"], "y": ["b"], "value": [3]})
        assert layer(insight_chart.spec(one), "rect")["encoding"]["color"]["scale"]["domain"] == [0, 6]

    def test_categories_as_they_come_up_the_first_on_top(self) -> None:
        content = insight("heatmap", {"x": ["b", "a"], "y": [10, 9], "value": [1, 2]})
        assert layer(insight_chart.spec(content), "rect")["encoding"]["x"]["scale"]["domain"] == ["b", "a"]
        found = texts(figure.svg(insight_chart.spec(content)))
        assert found.index("10") < found.index("9")

    def test_a_column_of_colour_says_nothing_there(self) -> None:
        assert len(values(insight_chart.spec(heatmap(10, 10, panel=None, colour="value")))) == 100

    def test_too_many_cells_leave_panels_out(self) -> None:
        columns: dict[str, Any] = {"x": list(range(80)) * 80, "y": [i // 80 for i in range(6400)], "value": [1] * 6400}
        spec = insight_chart.spec(insight("heatmap", columns | {"p": [i % 5 for i in range(6400)]}, panel="p"))
        assert len(values(spec)) == 3600
        for text in (
            "first 60 of 80 categories of x",
            "first 60 of 80 categories of y",
            "first 1 of 5 categories of panel",
        ):
            assert text in caption(spec)


class TestBars:
    def test_bars_begin_at_zero_side_by_side(self) -> None:
        spec = insight_chart.spec(bars())
        (drawn,) = marks(figure.svg(spec), "rect")
        assert len(drawn) == 3  # the unknown one has no bar
        encoding = layer(spec, "bar")["encoding"]
        assert encoding["xOffset"]["scale"]["domain"] == ["5", "11"]
        assert "zero" not in encoding["y"].get("scale", {})

    def test_negative_numbers(self, capfd: pytest.CaptureFixture[str]) -> None:
        spec = insight_chart.spec(insight("bars", {"x": ["a", "b"], "y": [-3, -1]}))
        compiled(spec, capfd)
        assert "−3.0" in texts(figure.svg(spec))

    def test_names_that_have_no_room_are_slanted_and_thinned_not_their_bars(self) -> None:
        columns: dict[str, Any] = {"x": [f"a word {i}" for i in range(60)], "y": list(range(60))}
        spec = insight_chart.spec(insight("bars", columns))
        axis = layer(spec, "bar")["encoding"]["x"]["axis"]
        assert axis["labelAngle"] == -45
        assert len(axis["values"]) < 60
        assert len(marks(figure.svg(spec), "rect")[0]) == 60

    def test_repeated_colours_are_named(self) -> None:
        columns: dict[str, Any] = {"x": [0] * 9, "y": [1] * 9, "c": list(range(9))}
        assert "Colours repeat after 8" in caption(insight_chart.spec(insight("bars", columns, colour="c")))


class TestLines:
    def test_a_line_a_colour_with_gaps(self) -> None:
        columns: dict[str, Any] = {
            "x": [3, 1, None, 2, 1],
            "y": [0.3, 0.1, 0.9, None, 7],
            "c": ["a", "a", "a", "a", "b"],
        }
        spec = insight_chart.spec(insight("lines", columns, colour="c"))
        assert [(row["x"], row["value"], row["colour"]) for row in values(spec)] == [
            (3, 0.3, "a"), (1, 0.1, "a"), (2, None, "a"), (1, 7, "b")
        ]  # fmt: skip
        paths = [group[0].get("d", "") for group in marks(figure.svg(spec), "line")]
        assert [path.count("M") for path in paths] == [2, 1]
        assert "1 of 5 points have no place" in caption(spec)

    def test_a_reference_is_drawn_once_a_panel_and_named(self) -> None:
        spec = insight_chart.spec(lines(reference=0.9))
        drawn = marks(figure.svg(spec), "rule")
        assert [len(group) for group in drawn] == [1, 1]
        assert "The dashed line marks 0.9." in caption(spec)

    def test_series_beyond_the_palette_differ(self) -> None:
        columns: dict[str, Any] = {"x": [0, 1] * 24, "y": [1] * 48, "c": [i // 2 for i in range(48)]}
        drawn = marks(figure.svg(insight_chart.spec(insight("lines", columns, colour="c"))), "line")
        looks = {(group[0].get("stroke"), group[0].get("stroke-dasharray")) for group in drawn}
        assert len(drawn) == len(looks) == 24

    def test_few_points_are_marked_many_are_not(self) -> None:
        for steps, marked in ((30, True), (31, False)):
            assert bool(layer(insight_chart.spec(lines(steps)), "line")["mark"]["point"]) == marked

    def test_panels_of_other_sizes_have_scales_of_their_own(self) -> None:
        columns: dict[str, Any] = {"x": [0, 1, 0, 1], "y": [0, 1, 0, 1000], "p": ["a", "a", "b", "b"]}
        assert "resolve" in insight_chart.spec(insight("lines", columns, panel="p"))
        near = columns | {"y": [0.25, 0.26, 0.01, 0.9]}
        assert "resolve" not in insight_chart.spec(insight("lines", near, panel="p"))

    def test_long_lines_are_thinned_alike(self) -> None:
        spec = insight_chart.spec(lines(2000))
        assert len(values(spec)) <= 4000
        assert "of 16000 points, evenly spread" in caption(spec)
        per_line = {key: len(list(rows)) for key, rows in itertools.groupby(
            values(spec), lambda row: (row["panel"], row["colour"]))}  # fmt: skip
        assert len(set(per_line.values())) == 1
        assert {row["x"] for row in values(spec)} >= {0, 1999}


class TestScatter:
    def test_many_points_make_a_small_file(self) -> None:
        spec = insight_chart.spec(scatter(2000))
        assert len(figure.svg(spec)) < 250_000
        assert len(values(spec)) <= 1000
        assert "of 2000 points, evenly spread" in caption(spec)

    def test_points_by_panel_and_colour(self) -> None:
        spec = insight_chart.spec(scatter(60))
        assert [len(group) for group in marks(figure.svg(spec), "symbol")] == [20, 20, 20]
        encoding = layer(spec, "point")["encoding"]
        assert encoding["color"]["scale"]["domain"] == encoding["shape"]["scale"]["domain"]
        assert len(set(encoding["shape"]["scale"]["range"])) == 4

    def test_points_without_a_place_are_counted(self) -> None:
        spec = insight_chart.spec(insight("scatter", {"x": [1, None, 3, "a"], "y": [1, 2, None, 4]}))
        assert len(values(spec)) == 1
        assert caption(spec) == "n = 12 texts; p < 0.001. 3 of 4 points have no place and are not drawn."


def test_panels_are_limited_and_in_the_order_in_which_they_come_up() -> None:
    columns: dict[str, Any] = {"x": [1] * 90, "y": list(range(90)), "p": [30 - i for i in range(30)] * 3}
    spec = insight_chart.spec(insight("lines", columns, panel="p"))
    assert "Drawn are the first 24 of 30 categories of panel." in caption(spec)
    assert [text for text in texts(figure.svg(spec)) if text.startswith("p ")] == [f"p {30 - i}" for i in range(24)]
    assert spec["columns"] == 4


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Every text of an insight comes from elsewhere."""
    count = len(HOSTILE)
    places: list[Any] = HOSTILE if kind in ("heatmap", "bars") else list(range(count))
    columns: dict[str, Any] = {
        "x": places,
        "y": HOSTILE if kind == "heatmap" else list(range(count)),
        "value": list(range(count)),
    }
    columns |= {"c[0].x\\\"'": HOSTILE, "p😀": (HOSTILE[:2] * count)[:count]}
    chart: dict[str, Any] = {"colour": "c[0].x\\\"'", "panel": "p😀", "x_label": "".join(HOSTILE[:12])}
    content = insight(kind, columns, **chart, y_label='\\"+datum.x+"', title=HOSTILE[1], caption="; ".join(HOSTILE))
    spec = insight_chart.spec(content)
    compiled(spec, capfd)
    for row in values(spec):
        assert set(row) <= {"panel", "place", "colour", "x", "y", "value"}
    drawn = figure.svg(spec)
    found = " ".join(texts(drawn))
    assert 'a"b' in found
    assert "\x1b" not in found
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawn).iter()}
    assert tags <= {"svg", "defs", "clipPath", "rect", "g", "path", "text", "tspan", "line", "linearGradient", "stop"}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_labels_one_by_one(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Vega-Lite makes expressions of some titles; none may be read as one, in a tooltip or for a screen reader."""
    columns: dict[str, Any] = {"x": [text, "b"], "y": [1, 2], text: [text, "d"]}
    content = insight("bars", columns, colour=text, panel=text, x_label=text, y_label=text, title=text[:200] or "t")
    compiled(insight_chart.spec(content), capfd)


def test_a_long_name_is_not_cut_within_a_character(capfd: pytest.CaptureFixture[str]) -> None:
    """Vega cuts between any two units of UTF-16, and cannot measure half a character."""
    columns: dict[str, Any] = {"x": [1, 2], "y": [1, 2], "w" * 50: ["😀" * 7, 1]}
    spec = insight_chart.spec(insight("lines", columns, panel="w" * 50, x_label="word " * 20 + "😀" * 9))
    compiled(spec, capfd)
    assert "😀" * 7 in texts(figure.svg(spec))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("numbers", [[5e-324, 1e-320, -0.0], [-1e99, 1e16, 1e16 + 2, 1e300, 10**400]], ids=["0", "inf"])
def test_extreme_numbers(kind: str, numbers: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    columns: dict[str, Any] = {"x": numbers, "y": numbers, "value": numbers}
    spec = insight_chart.spec(insight(kind, columns, centre=numbers[0], reference=1e300))
    compiled(spec, capfd)
    assert figure.svg(spec)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cells", [[], [None, None], ["a", "b"]], ids=["no rows", "unknown", "texts"])
def test_nothing_to_draw_says_so(kind: str, cells: list[Value]) -> None:
    spec = insight_chart.spec(insight(kind, {"x": cells, "y": cells, "value": cells}))
    assert {"A title", "no data"} <= set(texts(figure.svg(spec)))


def test_without_a_chart_there_is_no_spec() -> None:
    content: Insight = bars().model_copy(update={"chart": None})
    with pytest.raises(ValueError, match="insight part has no chart"):
        insight_chart.spec(content)
