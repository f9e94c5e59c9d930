"""Names and sentences of charts: told apart, cut before the renderer must, never an expression."""

import pytest

from bench.method.insight import Insight
from bench.report.charts import figure, insight_chart
from bench.report.charts.figure_text import distinct, plain, tip, wrapped


def test_names_that_read_alike_are_told_apart() -> None:
    assert distinct(["a", "a\n", 1, "1", None, "–", "a"]) == {
        "a": "a", "a\n": "a (2)", 1: "1", "1": "1 (2)", None: "–", "–": "– (2)"
    }  # fmt: skip
    assert len(set(distinct(["x" * 100 + "a", "x" * 100 + "b"]).values())) == 2


def test_a_tooltip_has_no_special_key() -> None:
    """A page's tooltip may show the value of ``image`` as a picture of that address."""
    assert (tip("x", "image")["title"], tip("x", "title")["title"]) == ("image (column)", "title (column)")
    assert tip("x", '\\"')["title"] == "/'"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, "–"), ("", "–"), (" \n", "–"), (3, "3"), (-0.5, "−0.5"), (-0.0, "0"), (1234567.0, "1.23457e+06"),
        ("a\nb", "a b"),
    ],
)  # fmt: skip
def test_plain(value: str | float | None, wanted: str) -> None:
    assert plain(value) == wanted


def test_emoji_stay_where_nothing_has_to_be_cut() -> None:
    assert plain("😀") == "😀"
    assert plain("a text that is much too long for it 😀") == "a text that is much too long for it □"


def test_wrapped() -> None:
    lines = wrapped("word " * 40, 200)
    assert " ".join(lines) == ("word " * 40).strip()
    assert max(map(len, lines)) <= 200 / 5.6
    assert len(wrapped("漢字 " * 40, 200)) > len(wrapped("ab " * 40, 200))
    assert wrapped("", 200) == []


@pytest.mark.parametrize("name", ["constructor", "toString", "hasOwnProperty", "__proto__"])
def test_a_name_that_every_object_has_is_drawn(name: str) -> None:
    columns = {"x": [name, "b"], "y": [1, 2]}
    chart = {"kind": "bars", "x": "x", "y": "y", "x_label": name, "y_label": name, "colour": "x"}
    part = {"name": "part", "title": name, "caption": name, "columns": columns, "chart": chart}
    assert f"«{name}»" in figure.svg(insight_chart.spec(Insight.model_validate(part)))
