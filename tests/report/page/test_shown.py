"""Insights on a page: charts of each row up to a maximum size; those left out are named."""

from dataclasses import replace
from typing import Any

import pytest

from bench.method.insight import Chart, Insight
from bench.report.charts.rows import ReportRow, rows
from bench.report.page import shown
from bench.report.results.measured import Evidence, Measured, Shown
from tests.report.conftest import MakeRecord
from tests.report.page.conftest import significances_of
from tests.report.predicted import RUN, results

CHART = Chart(kind="bars", x="expert", y="tokens", x_label="expert", y_label="tokens")


def part(name: str = "tokens", chart: Chart | None = CHART, **columns: Any) -> Insight:
    columns = columns or {"expert": ("one", "two"), "tokens": (10, 20.5)}
    return Insight(name=name, title=f"Title of {name}", caption="n = 30.", columns=columns, chart=chart)


def rows_of(make_record: MakeRecord, *evidence: Evidence) -> list[ReportRow]:
    """One row per evidence."""
    run = results(
        RUN, *(Measured(make_record(method=f"m{at}", method_name=f"m{at}"), one) for at, one in enumerate(evidence))
    )
    return rows(run, significances_of(run))


def showing(*parts: Insight, **more: Any) -> Evidence:
    return replace(Evidence("none"), shown=tuple(Shown(part=one) for one in parts), **more)


def test_rows_with_something_to_show_alone(make_record: MakeRecord) -> None:
    found, charts = shown.embedded(rows_of(make_record, showing(part(), part("more")), Evidence("none")))
    assert [(row["names"], row["seed"]) for row in found] == [("IMDb / RoBERTa / m0", 0)]
    assert [one["chart"] for one in found[0]["parts"]] == [0, 1]
    assert [chart["usermeta"]["title"] for chart in charts] == ["Title of tokens", "Title of more"]


def test_without_a_chart_there_is_a_table(make_record: MakeRecord) -> None:
    bare = part(chart=None, fact=("a\x1bb", None), value=(0.123456789, 3))
    found, charts = shown.embedded(rows_of(make_record, showing(bare)))
    (one,) = found[0]["parts"]
    assert charts == []
    assert (one["heads"], one["rows"]) == (["fact", "value"], [["a b", "0.123457"], ["", "3"]])


def test_what_quotes_the_data_is_named(make_record: MakeRecord) -> None:
    evidence = replace(Evidence("none"), shown=(Shown(part=part(chart=None), left_out=("text",), chart_lost=True),))
    (one,) = shown.embedded(rows_of(make_record, evidence))[0][0]["parts"]
    assert "text." in one["said"][0]
    assert one["said"][1] == "There is no chart, for it needs what is left out."


def test_troubles_alone_are_told(make_record: MakeRecord) -> None:
    found, _ = shown.embedded(rows_of(make_record, Evidence("none", troubles=("cannot be read",))))
    assert (found[0]["troubles"], found[0]["parts"]) == (("cannot be read",), [])


def test_what_there_is_no_room_for_is_named(make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = [showing(part(), part("second")), showing(part("third"))]
    whole = shown.embedded(rows_of(make_record, *evidence))[1]
    monkeypatch.setattr(shown, "MOST_BYTES", len(str(whole[0])) + 900)
    found, charts = shown.embedded(rows_of(make_record, *evidence))
    assert len(charts) == 1
    assert [row["left_out"] for row in found] == [["Title of second"], ["Title of third"]]
