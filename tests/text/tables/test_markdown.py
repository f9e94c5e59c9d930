"""A table as files: which there are, and what Markdown makes of them."""

import csv

import pytest
from markdown_it import MarkdownIt

from bench.report.tables import table2, table3
from bench.report.tables.table import Table
from bench.text.tables.csv_text import to_csv
from bench.text.tables.files import files
from bench.text.tables.markdown import to_markdown
from tests.known import known
from tests.report.conftest import MakeRecord

SCORES = {"B": 0.8, "A": 0.9, "C": 0.7}


@pytest.fixture
def table(make_record: MakeRecord) -> Table:
    """Three methods that two seeds tell apart; the throughput of one is told from the others."""
    rates = {"A": 100.0, "B": 300.0, "C": 101.0}
    records = [
        make_record(method=name, seed=seed, macro_f1=f1 + seed / 100, train_rate=rates[name] + seed / 10)
        for name, f1 in SCORES.items()
        for seed in (0, 1)
    ]
    return table3.build("Run", records, source="records sha256 0a|b")


@pytest.mark.parametrize("formats", [["md"], ["csv", "tex"], ["html"], [], ["md", "csv", "tex", "html"]])
def test_files(table: Table, formats: list[str]) -> None:
    found = files(table, formats)
    assert set(found) == {f"table3.{one}" for one in formats if one != "html"}
    assert found == files(table, formats)


def test_best_and_second_in_markdown_as_shown_on_github(table: Table) -> None:
    text = to_markdown(table)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert '<td style="text-align:right"><strong>0.9050 ± 0.0071 (n=2)</strong></td>' in html
    assert '<td style="text-align:right"><ins>0.8050 ± 0.0071 (n=2)</ins></td>' in html
    assert "<strong>300.1 ± 0.1</strong>" in html
    assert html.count("<strong>") == 2
    assert "**" not in html


def test_a_mark_behind_what_is_bold(make_record: MakeRecord) -> None:
    """What Markdown takes for the end of bold depends on what follows it."""
    records = [
        make_record(method=name, seed=seed, macro_f1=f1 + seed / 100) for name, f1 in SCORES.items() for seed in (0, 1)
    ]
    records.append(make_record("oom", method="A", seed=2))
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(to_markdown(table3.build("Run", records)))
    assert "<strong>0.9050 ± 0.0071 (n=2)</strong><sup>a</sup>" in html


def test_ranks_in_csv(table: Table) -> None:
    rows = {row["method"]: row for row in csv.DictReader(to_csv(table).splitlines())}
    assert {name: row["macro_f1_mark"] for name, row in rows.items()} == {"A": "best", "B": "second", "C": ""}
    assert {name: row["train_samples_per_second_mark"] for name, row in rows.items()} == {"A": "", "B": "best", "C": ""}
    assert {row["inference_samples_per_second_mark"] for row in rows.values()} == {""}


def test_the_source_is_the_last_line(table: Table, make_record: MakeRecord) -> None:
    assert to_markdown(table).splitlines()[-1] == "Source: records sha256 0a&#124;b"
    assert "Source" not in to_markdown(table3.build("Run", [make_record()]))


def test_names_stand_once_and_align_left(make_record: MakeRecord) -> None:
    table = known(table2.build("Run", [make_record(method=name) for name in "AB"]))
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
    assert lines[1].count(":-") == len(table.heads)
    assert [cell.strip() for cell in lines[3].split("|")[1:4]] == ["", "", "B"]
