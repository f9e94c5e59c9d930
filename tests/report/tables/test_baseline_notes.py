"""What Table 3, the page and the last lines say of rows beside the best baseline."""

import io
from pathlib import Path

from rich.console import Console

from bench.report.analysis import f1_significance
from bench.report.charts.rows import rows
from bench.report.page.overview import table as overview
from bench.report.results.run import Results
from bench.report.summary import show
from bench.report.tables import baseline_notes, table3
from tests.report.analysis.test_baseline_comparison import NONE
from tests.report.conftest import MakeRecord
from tests.report.predicted import RUN, Cells, flipped, results


def measured(make_record: MakeRecord, folder: Path) -> Results:
    """A baseline, a row that beats it, and one of one seed."""
    cells = Cells(make_record, folder)
    return results(
        RUN, cells.measured([1] * 12, method="Counts", **NONE),
        *(cells.measured(flipped(), method="LoRA", seed=seed) for seed in range(3)),
        cells.measured(flipped(0), method="BitFit"),
    )  # fmt: skip


def test_table_3_says_it_of_each_row(make_record: MakeRecord, tmp_path: Path) -> None:
    (run,) = measured(make_record, tmp_path).runs
    table = table3.build("Run", run.records, significance=f1_significance.of_run(run))
    frame = table.frame
    assert frame["against_baseline"].tolist() == ["", "higher", "unknown"]
    assert frame["best_baseline"].tolist() == ["", "Counts", "Counts"]
    assert frame["baseline_difference_low"][1] > 0
    assert frame["note"][1].startswith("beats the best baseline, Counts (0.3333)")
    assert "unknown whether it beats the best baseline, Counts (0.3333): one seed" in frame["note"][2]
    assert baseline_notes.CAPTION in table.caption


def test_a_table_without_baselines_is_as_it_was(make_record: MakeRecord) -> None:
    table = table3.build("Run", [make_record(), make_record(seed=1)])
    assert "against_baseline" not in table.frame
    assert baseline_notes.CAPTION not in table.caption


def test_the_page_says_it_below_the_f1(make_record: MakeRecord, tmp_path: Path) -> None:
    found = measured(make_record, tmp_path)
    shown = overview(found, rows(found, [f1_significance.of_run(run) for run in found.runs]))
    texts = [number["interval"] for row in shown["rows"] for number in row["numbers"] if number["interval"]]
    assert [text.partition("best baseline: ")[2] for text in texts] == ["", "beaten", "unknown"]
    assert baseline_notes.CAPTION in shown["sources"]


def test_the_last_lines_say_how_many_beat_it(make_record: MakeRecord, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    show(measured(make_record, tmp_path), [], tmp_path, console)
    assert isinstance(console.file, io.StringIO)
    text = " ".join(console.file.getvalue().split())
    assert "1 of 2 rows beats the best baseline, Counts; unknown for 1: one seed" in text
