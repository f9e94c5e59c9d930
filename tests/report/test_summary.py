"""The last lines on a terminal: what failed, what is suspect, where the files are."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.record.record import Record
from bench.report.analysis.quantities import QUANTITIES
from bench.report.results.measured import Evidence, Measured
from bench.report.results.run import Results, Run
from bench.report.summary import MOST_LINES, show
from tests.report.conftest import MakeRecord

ONE_SEED_LINES = [
    "Rows with one seed: the variation between seeds is unknown, so no row is called ",
    "better or worse in F1; set seeds to measure several",
]
NUMBERS = QUANTITIES.of("summary")
SUSPECT: dict[str, Any] = {"checks": [{"name": "swap", "verdict": "suspect", "found": "pages [red]came[/red]"}]}


def summary(
    *records: Record, cells: int | None = None, unread: tuple[str, ...] = (), width: int = 80, grid: bool = True
) -> str:
    measured = tuple(Measured(record, Evidence("")) for record in records)
    ids = tuple(map(str, range(len(records) if cells is None else cells)))
    console = Console(file=io.StringIO(), width=width)
    target = Path("reports/s")
    written = [target / "table3.md", target / "report.html", target / "figures" / "pareto.svg"]
    results = Results((Run({"name": "s", "title": ""}, "c", "", ids, measured, unread),))
    show(results, written, target, console, grid=grid)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_end_says_what_became_of_the_cells_and_where_the_files_are(make_record: MakeRecord) -> None:
    assert summary(make_record(), grid=False).splitlines()[1:] == [
        "1 cell: 1 ok, 0 failed, 0 suspect", *ONE_SEED_LINES, "wrote reports/s/report.html",
        "wrote reports/s/table3.md", "wrote 1 more into reports/s",
    ]  # fmt: skip


def test_failed_cells_have_a_line_each(make_record: MakeRecord) -> None:
    failed = make_record("oom", message="no\n[bold]memory[/bold]\x1b[31m", seed=1)
    text = summary(make_record(fields=SUSPECT), failed, cells=4, unread=("x",), width=200)
    assert "2 cells: 1 ok, 1 failed, 1 suspect, 1 not run yet, 1 left out" in text
    assert "  oom: IMDb / RoBERTa / LoRA, seed 1: train: no [bold]memory[/bold] [31m" in text
    assert "suspect rows: the page and table3.md say why" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(("count", "more"), [(MOST_LINES, False), (MOST_LINES + 3, True)])
def test_no_more_lines_than_a_screen_holds(make_record: MakeRecord, count: int, more: bool) -> None:
    text = summary(*(make_record("error", seed=seed) for seed in range(count)))
    assert (text.count("  error: "), "  and 3 more; the tables name them" in text) == (MOST_LINES, more)


class TestGrid:
    def test_a_row_is_a_line_of_at_most_80_columns(self, make_record: MakeRecord) -> None:
        methods = ("full_ft", "lora", "a_method_with_a_long_name")
        records = [make_record(method=method, dataset=name) for name in ("IMDb", "SST-5") for method in methods]
        lines = summary(*records).splitlines()
        assert max(map(len, lines)) <= 80
        assert [line.split()[0] for line in lines if "0.9" in line] == [*methods, *methods]

    @pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
    def test_numbers_are_never_cut(self, make_record: MakeRecord, width: int) -> None:
        text = summary(make_record(seed=0), make_record(seed=1), width=width)
        shown = numbers(make_record(seed=0), make_record(seed=1))
        inference = shown[[one.column for one in NUMBERS].index("inference_samples_per_second")]
        assert {number for number in shown if number not in text} <= {inference}

    def test_every_quantity_has_its_header(self, make_record: MakeRecord) -> None:
        text = summary(make_record(), width=200)
        assert all(one.brief.header.split("\n")[0].removesuffix("-") in text for one in NUMBERS if one.brief)

    def test_a_failed_row_says_its_status(self, make_record: MakeRecord) -> None:
        (row,) = [line for line in summary(make_record("oom"), width=200).splitlines() if line.startswith("IMDb")]
        assert row.split()[3:] == ["oom", *["–"] * (len(NUMBERS) - 1)]

    @pytest.mark.parametrize(
        ("fields", "mark", "meaning"), [(SUSPECT, "!", "suspect"), ({}, "", "")], ids=["suspect", "valid"]
    )
    def test_marks_are_explained_where_they_occur(
        self, make_record: MakeRecord, fields: dict[str, Any], mark: str, meaning: str
    ) -> None:
        lines = summary(make_record(fields=fields), width=200).splitlines()
        (row,) = [line for line in lines if line.startswith("IMDb")]
        assert row.rstrip().endswith(mark)
        assert any(line.startswith("! suspect") for line in lines) == bool(mark)

    def test_rows_of_one_name_are_told_apart(self, make_record: MakeRecord) -> None:
        text = summary(*[make_record(options={"learning_rate": rate}) for rate in (1e-3, 1e-4)], width=200)
        assert "(learning_rate = 0.001)" in text
        assert "(learning_rate = 0.0001)" in text


def numbers(*records: Record) -> list[str]:
    (row,) = [line for line in summary(*records, width=200).splitlines() if line.startswith("IMDb")]
    return row.split()[3:]
