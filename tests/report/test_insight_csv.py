"""Files of an insight: its chart twice and its numbers, the latter fit for a spreadsheet."""

from typing import Any

import pytest

from bench.report.charts import figure, insight_chart
from bench.report.insights import to_csv
from bench.text.tables import csv_text
from tests.report.drawn import KINDS, bars, insight, written


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_three_files(kind: str) -> None:
    found = written(KINDS[kind](), "some/folder")
    assert list(found) == ["some/folder/part.svg", "some/folder/part.png", "some/folder/part.csv"]
    spec = insight_chart.spec(KINDS[kind]())
    assert found["some/folder/part.svg"].decode() == figure.svg(spec)
    assert found["some/folder/part.png"] == figure.pixels(figure.svg(spec))
    assert found["some/folder/part.csv"].decode() == to_csv(KINDS[kind]())


def test_without_a_chart_only_the_numbers() -> None:
    assert list(written(bars().model_copy(update={"chart": None}), "f")) == ["f/part.csv"]


def test_csv() -> None:
    columns: dict[str, Any] = {"=word": ["-1", "a,b\n", None], "count": [-1, 0.1, 10**20], "+": [None, "@x", "x"]}
    assert to_csv(insight("bars", columns, x="=word", y="count")) == (
        "'=word,count,'+\n'-1,-1,\n\"a,b \",0.1,'@x\n,100000000000000000000,x\n"
    )


def test_csv_quotes_no_data() -> None:
    columns: dict[str, Any] = {"x": ["a", "b" * 60], "y": [1, 2], "text": ["short", "b" * 61]}
    assert to_csv(insight("bars", columns)) == f"x,y\na,1\n{'b' * 60},2\n"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x"])
def test_a_spreadsheet_computes_nothing(text: str) -> None:
    assert csv_text.safe(text) == f"'{text}"
    assert csv_text.safe(f"x{text}") == f"x{text}"
    assert csv_text.safe(f"\t{text}") == f"' {text}"


@pytest.mark.parametrize(
    ("text", "wanted"), [("\tx", "' x"), ("\rx", "' x"), ("\nx", "' x"), ("a\x1b\0b\nc", "a  b c")]
)
def test_no_control_character_gets_into_a_csv_file(text: str, wanted: str) -> None:
    assert csv_text.safe(text) == wanted
