"""Whether rows beat the best row without a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.report.analysis import f1_significance
from bench.report.analysis.baseline_comparison import AgainstBaseline, against_baselines
from bench.report.analysis.significance import ONE_SEED
from bench.report.analysis.statistics import by_row
from bench.report.results.measured import Measured
from bench.report.tables import baseline_notes
from tests.known import known
from tests.report.conftest import MakeRecord
from tests.report.predicted import RUN, Cells, flipped, results

NONE: dict[str, Any] = {"model": "–", "kind": "none", "weights": "none", "max_length": 128}
WEAK, STRONG = flipped(0, 1, 2, 3, 4), flipped(0)


@pytest.fixture
def cells(make_record: MakeRecord, tmp_path: Path) -> Cells:
    return Cells(make_record, tmp_path)


def compared(*measured: Measured) -> list[AgainstBaseline | None]:
    (run,) = results(RUN, *measured).runs
    return against_baselines(f1_significance.of_run(run), by_row(run.records))


def seeds(cells: Cells, *predicted: Sequence[int], **given: Any) -> list[Measured]:
    return [cells.measured(one, seed=seed, **given) for seed, one in enumerate(predicted)]


def test_rows_are_compared_with_the_best_baseline(cells: Cells) -> None:
    found = compared(
        cells.measured(WEAK, method="Majority", **NONE), cells.measured(flipped(0, 1), method="Counts", **NONE),
        *seeds(cells, STRONG, flipped(1), flipped(2), method="LoRA"),
    )  # fmt: skip
    assert found[:2] == [None, None]
    assert known(found[2]).baseline == 1
    assert known(found[2]).decision.direction == "no significant difference"


@pytest.mark.parametrize(
    ("baseline", "row", "direction"),
    [([1] * 12, flipped(), "higher"), (flipped(), [1] * 12, "lower")],
    ids=["beats it", "is below it"],
)
def test_direction_is_that_of_the_row(cells: Cells, baseline: list[int], row: list[int], direction: str) -> None:
    _, found = compared(
        cells.measured(baseline, method="Counts", **NONE), *seeds(cells, row, row, row, method="LoRA")
    )  # fmt: skip
    decision = known(found).decision
    assert decision.direction == direction
    assert (known(decision.estimate).value > 0) == (direction == "higher")


def test_one_seed_leaves_it_unknown(cells: Cells) -> None:
    _, found = compared(cells.measured(WEAK, method="Counts", **NONE), cells.measured(STRONG, method="LoRA"))
    assert (known(found).decision.direction, known(found).decision.reason) == ("unknown", ONE_SEED)


def test_the_baseline_of_one_seed_stands_beside_every_seed(cells: Cells) -> None:
    """Even if the row does not have the baseline's seed 0."""
    row = [cells.measured(STRONG, seed=seed, method="LoRA") for seed in (3, 4)]
    _, found = compared(cells.measured([1] * 12, method="Counts", **NONE), *row)
    assert known(known(found).decision.estimate).sources == ("texts", "seeds")


def test_a_baseline_of_other_texts_is_no_baseline(cells: Cells) -> None:
    found = compared(
        cells.measured(WEAK, method="Counts", dataset="SST-5", **NONE), *seeds(cells, STRONG, STRONG, method="LoRA")
    )
    assert found == [None, None]


def test_rows_without_f1_are_not_compared(cells: Cells) -> None:
    found = compared(
        cells.measured(WEAK, method="Counts", **NONE), cells.measured(STRONG, weights="random"),
        cells.failed(method="Full FT"),
    )  # fmt: skip
    assert found == [None, None, None]


def test_the_family_is_that_of_all_rows(cells: Cells) -> None:
    """p-values of two rows are larger than that of one alone."""
    baseline = cells.measured([1] * 12, method="Counts", **NONE)
    one = seeds(cells, STRONG, flipped(1), flipped(2), method="LoRA")
    other = seeds(cells, flipped(4), flipped(5), flipped(6), method="BitFit")
    alone, both = compared(baseline, *one)[1], compared(baseline, *one, *other)[1]
    assert known(known(both).decision.p_value) > known(known(alone).decision.p_value)


def test_the_summary_counts_the_rows_that_beat_it(cells: Cells) -> None:
    found = compared(
        cells.measured([1] * 12, method="Counts", **NONE), *seeds(cells, *[flipped()] * 3, method="LoRA"),
        *seeds(cells, *[[1] * 12] * 3, method="BitFit"),
    )  # fmt: skip
    names = ["Counts", "LoRA", "BitFit"]
    assert baseline_notes.summary(found, names) == "1 of 2 rows beats the best baseline, Counts"
    assert baseline_notes.summary([None], names) == ""


def test_the_summary_says_why_rows_are_unknown(cells: Cells) -> None:
    found = compared(cells.measured(WEAK, method="Counts", **NONE), cells.measured(STRONG, method="LoRA"))
    said = baseline_notes.summary(found, ["Counts", "LoRA"])
    assert said == f"0 of 1 row beat the best baseline, Counts; unknown for 1: {ONE_SEED}"
