"""Charts in tests: insights to draw, what a spec compiles to, and what a picture shows."""

import math
import re
from collections.abc import Callable
from itertools import product
from typing import Any
from xml.etree import ElementTree

import pytest
import vl_convert

from bench.method.insight import Insight
from bench.report.charts import figure, insight_chart, look
from bench.report.charts.figures import Figures
from bench.report.insights import to_csv

HOSTILE = [
    "$x_1$ is \\frac{", 'a"b', "back\\", '\\"+datum.x+"', "${x}", "datum['x']", "a.b", "a[0]", "__proto__", "image",
    "title", "\x00\x1b[31m\u202e\u2028", "x" * 5_000, "word " * 2_000, "مرحبا بالعالم", "😀👩‍👩‍👧 漢字", "😀" * 300,
    "e\u0301\u0302", "\u0301" * 500, "a\nb\r\tc", "", "<b>&\"'", "<image href='http://127.0.0.1/x.png'/>", "</svg>",
    "javascript:alert(1)", "null", "NaN", "_hidden",
]  # fmt: skip


def insight(kind: str, columns: dict[str, Any], **chart: Any) -> Insight:
    """An insight whose chart has x, y, and of a heatmap value in columns of these names."""
    title, caption = chart.pop("title", "A title"), chart.pop("caption", "n = 12 texts; p < 0.001.")
    whole = {"kind": kind, "x": "x", "y": "y", "x_label": "across", "y_label": "upwards", "value_label": "lift"}
    whole |= {"value": "value"} if kind == "heatmap" else {}
    return Insight.model_validate(
        {"name": "part", "title": title, "caption": caption, "columns": columns, "chart": whole | chart}
    )


def written(part: Insight, folder: str) -> dict[str, bytes]:
    """The files of an insight by path."""
    with Figures(("svg", "png")) as figures:
        if part.chart is not None:
            figures.add(insight_chart.spec(part), f"{folder}/{part.name}")
        return figures.files() | {f"{folder}/{part.name}.csv": to_csv(part).encode()}


def heatmap(width: int = 4, height: int = 3, **chart: Any) -> Insight:
    places = list(product((5, 11), range(height), range(width)))
    columns: dict[str, Any] = {
        "x": [f"class {x}" for _, _, x in places], "y": [y for _, y, _ in places],
        "value": [layer / 10 + y - x / 4 for layer, y, x in places], "layer": [layer for layer, _, _ in places],
    }  # fmt: skip
    return insight("heatmap", columns, **{"panel": "layer"} | chart)


def lines(steps: int = 12, **chart: Any) -> Insight:
    places = list(product((5, 11), range(4), range(steps)))
    columns: dict[str, Any] = {"x": [x for _, _, x in places], "y": [0.2 + e / 10 + x / 100 for _, e, x in places]}
    names: dict[str, Any] = {"layer": [layer for layer, _, _ in places], "expert": [e for _, e, _ in places]}
    return insight("lines", columns | names, **{"colour": "expert", "panel": "layer", "reference": 0.25} | chart)


def bars(**chart: Any) -> Insight:
    columns: dict[str, Any] = {"x": ["a", "a", "b", "b"], "y": [3, 4.5, None, 1], "layer": ["5", "11", "5", "11"]}
    return insight("bars", columns, **{"colour": "layer"} | chart)


def scatter(count: int = 60, **chart: Any) -> Insight:
    angles = [i * 2.4 for i in range(count)]
    columns: dict[str, Any] = {"x": [a**0.5 * math.cos(a) for a in angles], "y": [a**0.5 * math.sin(a) for a in angles]}
    names: dict[str, Any] = {
        "class": [f"class {i % 4}" for i in range(count)],
        "when": [f"layer {i % 3}" for i in range(count)],
    }
    return insight("scatter", columns | names, **{"colour": "class", "panel": "when"} | chart)


KINDS: dict[str, Callable[..., Insight]] = {"heatmap": heatmap, "lines": lines, "bars": bars, "scatter": scatter}


def compiled(spec: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What Vega gets of a spec in its picture, in both themes alike; it draws it, and drops nothing with a warning."""
    capfd.readouterr()
    for theme in ("dark", "light"):
        found: dict[str, Any] = vl_convert.vegalite_to_vega(
            figure.page(spec), vl_version=figure.VEGA_LITE, config=look.config(theme), show_warnings=True
        )
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    ElementTree.fromstring(figure.svg(spec))
    return found


def texts(svg: str) -> list[str]:
    """All that is written, in the order of the file; lines of one text by blanks."""
    return [" ".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if _tag(element) == "text"]


def marks(svg: str, kind: str) -> list[list[ElementTree.Element]]:
    """The elements of each group of marks of a kind, e.g. ``rect``, in the order of the file; legends have none."""
    groups = []
    for element in ElementTree.fromstring(svg).iter():
        classes = element.get("class", "").split()
        if f"mark-{kind}" in classes and "role-mark" in classes:
            groups.append(list(element))
    return groups


def colours(spec: object) -> list[str]:
    """All that reads like a colour in the strings of a spec, its data left out."""
    if isinstance(spec, dict):
        return [found for key, value in spec.items() if key != "data" for found in colours(value)]
    if isinstance(spec, list):
        return [found for value in spec for found in colours(value)]
    return re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", spec) if isinstance(spec, str) else []


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
