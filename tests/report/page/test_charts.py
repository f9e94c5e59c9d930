"""The charts of a page: one per dataset, with the numbers of its rows, and curves without points."""

from typing import Any

import pytest

from bench.report.charts.chart_frames import PARTS
from bench.report.charts.rows import ReportRow, rows
from bench.report.page.charts import TITLES, embedded
from bench.report.results.run import Results
from tests.report.conftest import MakeRecord
from tests.report.page.conftest import significances_of
from tests.report.predicted import RUN, results


def rows_of(run: Results) -> list[ReportRow]:
    return rows(run, significances_of(run))


@pytest.fixture(scope="module")
def drawn(some_results: Results) -> dict[str, Any]:
    """The charts of ``some_results``."""
    return embedded(rows_of(some_results), [])


def test_there_is_a_title_for_each_chart(drawn: dict[str, Any]) -> None:
    assert set(drawn) == {"looks", "insights", *TITLES}


def test_a_chart_a_dataset(drawn: dict[str, Any]) -> None:
    for name in ("pareto", "cost", "memory"):
        assert list(drawn[name]) == ["IMDb", "TweetEval-Emotion"]
    assert list(drawn["ranks"]) == ["IMDb, RoBERTa-base", "IMDb, Qwen2.5-7B", "TweetEval-Emotion, RoBERTa-base"]


def test_captions_count_the_rows_of_their_dataset(drawn: dict[str, Any]) -> None:
    captions = [chart["spec"]["usermeta"]["caption"] for chart in drawn["pareto"].values()]
    assert [caption.split(" rows")[0] for caption in captions] == ["n = 22", "n = 5"]


def test_time_and_energy_are_in_the_units_of_the_figures(drawn: dict[str, Any], some_results: Results) -> None:
    chart = drawn["pareto"]["IMDb"]
    first = rows_of(some_results)[0].numbers
    wanted = {"Training time (s)": 60 * first["train_minutes_mean"], "Energy of training (kJ)": first["train_kj_mean"]}
    found = {choice["name"]: choice["values"][0][0] for choice in chart["choices"].values()}
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-5)


def test_every_choice_has_a_value_a_row_of_the_spec(drawn: dict[str, Any]) -> None:
    for chart in drawn["pareto"].values():
        count = len(chart["spec"]["data"]["values"])
        assert {len(choice["values"]) for choice in chart["choices"].values()} == {count}
        assert {chart["x"], chart["y"]} <= set(chart["choices"])


def test_parts_of_a_peak_add_up(drawn: dict[str, Any], some_results: Results) -> None:
    values = drawn["memory"]["IMDb"]["data"]["values"]
    whole = sum(row["mb"] for row in values if row["panel"] == "train" and row["row"] == "RoBERTa-base / Full FT")
    peaks = [
        breakdown.peak_bytes
        for record, _ in rows_of(some_results)[0].place.cells
        for breakdown in record.memory
        if breakdown.of == "train"
    ]
    assert whole == pytest.approx(sum(peaks) / len(peaks) / 1e6, rel=1e-4)
    assert {row["part"] for row in values} <= set(PARTS.values())


def test_curves_have_names_and_no_points(drawn: dict[str, Any]) -> None:
    chart = drawn["curves"]
    assert chart["spec"]["data"]["values"] == []
    assert chart["rows"]["0"] == {"panel": "RoBERTa-base / IMDb", "method": "Full FT"}
    filters = " ".join(part["transform"][0]["filter"] for part in chart["spec"]["concat"])
    assert all(f"'{measure}'" in filters for measure in ("loss", "macro_f1", "train_speed", "inference_speed"))


def test_nothing_to_draw(make_record: MakeRecord) -> None:
    found = embedded(rows_of(results(RUN, make_record("oom"))), [])
    assert {name: found[name] for name in TITLES} == dict.fromkeys(TITLES)


def test_one_row_alone(make_record: MakeRecord) -> None:
    found = embedded(rows_of(results(RUN, make_record())), [])
    assert found["ranks"] is None
    assert found["curves"] is None
    assert len(found["pareto"]["IMDb"]["spec"]["data"]["values"]) == 1
