"""The last lines on a terminal: what failed, what is suspect, where the files are."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.record import Record
from bench.report.closing import MOST_LINES, show
from bench.report.results.measured import Evidence, Measured
from bench.report.results.run import Results, Run
from tests.report.conftest import MakeRecord

SUSPECT: dict[str, Any] = {"checks": [{"name": "swap", "verdict": "suspect", "found": "pages [red]came[/red]"}]}


def closing(*records: Record, cells: int | None = None, unread: tuple[str, ...] = ()) -> str:
    measured = tuple(Measured(record, Evidence("")) for record in records)
    ids = tuple(map(str, range(len(records) if cells is None else cells)))
    console = Console(file=io.StringIO(), width=80)
    target = Path("reports/s")
    written = [target / "table3.md", target / "report.html", target / "figures" / "pareto.svg"]
    show(Results((Run({"name": "s", "title": ""}, "c", "", ids, measured, unread),)), written, target, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_went_well(make_record: MakeRecord) -> None:
    assert closing(make_record()).splitlines()[1:] == [
        "1 cell: 1 ok, 0 failed, 0 suspect",
        "wrote reports/s/report.html",
        "wrote reports/s/table3.md",
        "wrote 1 more into reports/s",
    ]


def test_what_failed_and_what_is_suspect(make_record: MakeRecord) -> None:
    failed = make_record("oom", message="no\n[bold]memory[/bold]\x1b[31m", seed=1)
    text = closing(make_record(fields=SUSPECT), failed, cells=4, unread=("x",))
    assert "2 cells: 1 ok, 1 failed, 1 suspect, 1 not run yet, 1 left out" in text
    assert "  oom: IMDb / RoBERTa / LoRA, seed 1: train: no [bold]memory[/bold] [31m" in text
    assert "  suspect: IMDb / RoBERTa / LoRA, seed 0: swap: pages [red]came[/red]" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(("count", "more"), [(MOST_LINES, False), (MOST_LINES + 3, True)])
def test_many(make_record: MakeRecord, count: int, more: bool) -> None:
    text = closing(*(make_record("error", seed=seed) for seed in range(count)))
    assert text.count("  error: ") == MOST_LINES
    assert ("  and 3 more; the tables name them" in text) == more
