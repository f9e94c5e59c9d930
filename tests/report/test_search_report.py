"""A report of records with a search: its files, its page and summary, and that it can be verified."""

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from bench.record.record import Record
from bench.report.contents import build
from bench.report.draw import draw
from bench.report.results.archive import read
from bench.report.verify import verify
from tests.commands.compare.support import alone, run_folder
from tests.report.conftest import MakeRecord
from tests.report.page.conftest import data_in
from tests.report.test_verify import FORMATS
from tests.report.tuned import tuned, tuning

SCORES = {"LoRA": (0.80, 0.81, 0.82, 0.80), "BitFit": (0.50, 0.51, None, 0.52), "Full FT": (0.55, 0.56)}
LEADER = "IMDb, RoBERTa: with 1 to 2 trials, LoRA has the highest expected best validation F1"
UNEQUAL = "IMDb, RoBERTa: unequal budgets of tuning: LoRA, BitFit: 4 trials; Full FT: 2 trials"


def records(make_record: MakeRecord, **given: str) -> list[Record]:
    return [
        tuned(make_record(method=method, seed=seed, **given), tuning(*scores))
        for method, scores in SCORES.items()
        for seed in (0, 1)
    ]


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def report(make_record: MakeRecord, tmp_path: Path, said: io.StringIO) -> Path:
    folder = run_folder(tmp_path / "run", *map(alone, records(make_record)))
    draw([folder], tmp_path / "reports", Console(file=said, width=200), FORMATS)
    return next((tmp_path / "reports").iterdir())


def test_its_files_come_from_its_records(report: Path) -> None:
    assert verify(report)[1] == []
    assert {"search.md", "search.csv", "search.tex", "figures/search.svg", "figures/search.csv"} <= {
        str(path.relative_to(report)) for path in report.rglob("*")
    }
    (report / "figures/search.csv").write_text("")
    assert verify(report)[1] == ["figures/search.csv is not what its records give: line 1 differs"]


def test_data_of_the_figure(report: Path) -> None:
    rows = list(csv.DictReader((report / "figures/search.csv").read_text().splitlines()))
    assert list(rows[0]) == [
        "dataset", "model", "method", "trials", "expected_best_macro_f1", "low", "high", "mean_trial_seconds",
    ]  # fmt: skip
    assert [(row["method"], row["trials"]) for row in rows] == [
        (method, str(at)) for method, scores in SCORES.items() for at in range(1, len(scores) + 1)
    ]
    assert float(rows[3]["expected_best_macro_f1"]) == 0.82
    assert float(rows[4]["expected_best_macro_f1"]) == pytest.approx((0.5 + 0.51 + 0 + 0.52) / 4)
    assert {float(row["mean_trial_seconds"]) for row in rows[:4]} == {11.5}


def test_sentences_in_markdown_and_on_the_terminal(report: Path, said: io.StringIO) -> None:
    assert LEADER in (report / "search.md").read_text()
    assert UNEQUAL in (report / "table3.md").read_text()
    assert {LEADER, UNEQUAL} <= set(said.getvalue().splitlines())


def test_the_page_has_chart_table_and_sentences(report: Path) -> None:
    page = build(read(report), ["html"]).files["report.html"].decode()
    assert list(data_in(page, "charts")["search"]) == ["IMDb, RoBERTa"]
    assert '<section id="chart-search">' in page
    assert '<h3 id="search-head">Search of the options</h3>' in page
    assert LEADER in page
    assert UNEQUAL in page


def test_budgets_are_compared_across_the_runs_of_a_report(make_record: MakeRecord, tmp_path: Path) -> None:
    one = [tuned(make_record(method="LoRA"), tuning(0.5, 0.6))]
    other = [tuned(make_record(method="BitFit", device="cuda"), tuning(0.5, 0.6, 0.7))]
    folders = [run_folder(tmp_path / name, *map(alone, run)) for name, run in (("a", one), ("b", other))]
    draw(folders, tmp_path / "reports", Console(file=io.StringIO()), ["md"])
    text = (next((tmp_path / "reports").iterdir()) / "table3.md").read_text()
    assert text.count("IMDb, RoBERTa: unequal budgets of tuning: LoRA: 2 trials; BitFit: 3 trials") == 1


def test_without_a_search_there_are_no_such_files(make_record: MakeRecord, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", alone(make_record()))
    draw([folder], tmp_path / "reports", Console(file=io.StringIO()), FORMATS)
    assert not list((tmp_path / "reports").rglob("*search*"))
